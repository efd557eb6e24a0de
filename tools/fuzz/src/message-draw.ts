/**
 * Messages of a protobuf schema with any values in its fields: what the contract can say, whether or not anyone would.
 */
import { create, type DescField, type DescMessage, type Message, ScalarType, toBinary } from "@bufbuild/protobuf";
import { between, pick, type Random } from "@lifeline/harness";

const NUMBERS = [0, 1, 2, 4, 6, 16, 100, 443, 1_000, 65_535, 65_536, 0x7fff_ffff, 0xffff_ffff] as const;
const BIG_NUMBERS = [0n, 1n, 1_000n, 1_700_000_000_000n, 4_102_444_800_001n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n];

/** Texts that mean something somewhere, and some that may stand nowhere. */
const TEXTS = [
  ..."a node-1 host.example host.example:443 [2001:db8::1]:443 2001:db8::1 ::ffff:192.0.2.1 192.0.2.1".split(" "),
  ..."fdae:41e4:649b:9303 grpc://omni.example:8090 https://omni.example?jointoken=secret *.example /path".split(" "),
  ..."GET 1.1 udp v1.14.0 __proto__ constructor".split(" "),
  ...["", "line\nbreak", "nul\0", "ünï", "\u202e", "😀"],
  ...[64, 253, 254, 513, 4_097].map((length) => "x".repeat(length)),
] as const;

/** How deep messages nest at most. */
const DEPTH_MAX = 5;

/** The encoding of a message of `schema`, each of its fields there or not. */
export function drawMessage(random: Random, schema: DescMessage): Uint8Array {
  return toBinary(schema, create(schema, initOf(random, schema, 0) as never));
}

/**
 * The encoding of a message of `schema` with a little in each of its fields; of each oneof the member of that number.
 */
export function plainMessage(schema: DescMessage, variant: number): Uint8Array {
  return toBinary(schema, create(schema, plainInit(schema, variant) as never));
}

function plainInit({ members }: DescMessage, variant: number): Record<string, unknown> {
  const init: Record<string, unknown> = {};
  for (const member of members) {
    if (member.kind === "field") {
      init[member.localName] = plainField(member, variant);
      continue;
    }
    const field = member.fields[variant % member.fields.length];
    if (field !== undefined) init[member.localName] = { case: field.localName, value: plainField(field, variant) };
  }
  return init;
}

function plainField(field: DescField, variant: number): unknown {
  const { message } = field;
  if (field.fieldKind === "map") return undefined;
  const value =
    message !== undefined ? create(message, plainInit(message, variant) as never) : plainScalar(field.scalar);
  return field.fieldKind === "list" ? [value, value] : value;
}

/** Of an enum, without a scalar, as of a number. */
function plainScalar(type: ScalarType | undefined): unknown {
  switch (type) {
    case ScalarType.STRING:
      return "a";
    case ScalarType.BOOL:
      return true;
    case ScalarType.BYTES:
      return new Uint8Array(16);
    case ScalarType.UINT64:
      return 1n;
    default:
      return 1;
  }
}

function initOf(random: Random, schema: DescMessage, depth: number): Record<string, unknown> {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (random() < 0.35) continue;
    const value = fieldOf(random, field, depth);
    if (value === undefined) continue;
    if (field.oneof === undefined) init[field.localName] = value;
    else init[field.oneof.localName] = { case: field.localName, value };
  }
  return init;
}

function fieldOf(random: Random, field: DescField, depth: number): unknown {
  const many = <T>(one: () => T) => Array.from({ length: between(random, 0, random() < 0.02 ? 300 : 3) }, one);
  switch (field.fieldKind) {
    case "scalar":
      return scalarOf(random, field.scalar);
    case "enum":
      return between(random, 0, 50);
    case "message":
      return messageOf(random, field.message, depth);
    case "list":
      if (field.listKind === "scalar") return many(() => scalarOf(random, field.scalar));
      if (field.listKind === "enum") return many(() => between(random, 0, 50));
      return depth < DEPTH_MAX ? many(() => messageOf(random, field.message, depth)) : undefined;
    case "map":
      return undefined;
  }
}

function messageOf(random: Random, schema: DescMessage, depth: number): Message | undefined {
  return depth < DEPTH_MAX ? create(schema, initOf(random, schema, depth + 1) as never) : undefined;
}

function scalarOf(random: Random, type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return pick(random, TEXTS);
    case ScalarType.BOOL:
      return random() < 0.5;
    case ScalarType.BYTES:
      return new Uint8Array(pick(random, [0, 15, 16, 16, 16, 17, 300])).fill(7);
    case ScalarType.UINT64:
      return pick(random, BIG_NUMBERS);
    case ScalarType.INT32:
    case ScalarType.SINT32:
      return pick(random, NUMBERS) | 0;
    case ScalarType.DOUBLE:
      return pick(random, NUMBERS);
    default:
      return pick(random, NUMBERS);
  }
}
