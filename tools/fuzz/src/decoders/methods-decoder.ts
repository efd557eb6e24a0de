/** Requests and responses of every method, as servers and clients read them. */
import { create, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { between, type Random } from "@lifeline/harness";
import { adminPb, enrolPb, queryPb, readMessage, reportPb, witnessPb } from "@lifeline/wire";
import { joined } from "../byte-mutation.ts";
import { type Decoder, law, lawSame } from "../decoder.ts";
import { drawEncoding } from "../message-course.ts";
import { plainMessage } from "../message-draw.ts";
import { messageGrowth } from "../message-growth.ts";

/** As many as a oneof has members in the messages of streams. */
const VARIANTS = [0, 1, 2] as const;

interface Shape {
  readonly schema: DescMessage;
  readonly valid: readonly Uint8Array[];
}

/** One direction of a service. The first byte of an input selects the method. */
function methodsDecoder(name: string, { methods }: DescService, side: "input" | "output"): Decoder {
  const shapes = methods.map((method): Shape => {
    const schema = method[side];
    return { schema, valid: VARIANTS.map((variant) => plainMessage(schema, variant)) };
  });
  const placed = (at: number, message: Uint8Array) => joined(Uint8Array.of(at), message);
  const shapeAt = (at: number): Shape => {
    const shape = shapes[at % shapes.length];
    law(shape !== undefined, "a service has methods");
    return shape;
  };
  const read = (input: Uint8Array) => readMessage(shapeAt(input[0] ?? 0).schema, input.subarray(1));
  const grown = shapes.map(({ schema, valid }) => messageGrowth(schema, valid, () => undefined));
  return {
    name,
    draw(random: Random) {
      const at = between(random, 0, shapes.length - 1);
      const { schema, valid } = shapeAt(at);
      return placed(at, drawEncoding(random, schema, valid));
    },
    check(input) {
      const { schema } = shapeAt(input[0] ?? 0);
      const first = read(input);
      if (!first.ok) {
        law(first.malformed.value.length <= 80, "a refusal quotes at most 80 characters");
        return "refused";
      }
      const again = readMessage(schema, toBinary(schema, create(schema, first.value)));
      lawSame("decode∘encode = id", again, first);
      return "decoded";
    },
    growth: {
      draw: (random, at) => {
        const message = grown[at % grown.length]?.draw(random, Math.floor(at / grown.length));
        return placed(at % grown.length, message ?? new Uint8Array());
      },
      decode: read,
    },
  };
}

/** By service and direction; what has no field at all is not here. */
export const METHOD_DECODERS: readonly Decoder[] = [
  methodsDecoder("stream-request", reportPb.ReportService, "input"),
  methodsDecoder("stream-response", reportPb.ReportService, "output"),
  methodsDecoder("witness-request", witnessPb.WitnessService, "input"),
  methodsDecoder("enrol-request", enrolPb.EnrolService, "input"),
  methodsDecoder("enrol-response", enrolPb.EnrolService, "output"),
  methodsDecoder("query-request", queryPb.QueryService, "input"),
  methodsDecoder("query-response", queryPb.QueryService, "output"),
  methodsDecoder("admin-request", adminPb.AdminService, "input"),
  methodsDecoder("admin-response", adminPb.AdminService, "output"),
];
