import { globSync } from "node:fs";
import { join } from "node:path";
import { create, type DescField, type DescFile, type DescMessage, ScalarType, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ListVerdictsResponseSchema } from "./gen/lifeline/v1/query_pb.ts";
import {
  AgentSelfMetricsSchema,
  HelloSchema,
  PlanSchema,
  ReportSchema,
  StreamRequestSchema,
} from "./gen/lifeline/v1/report_pb.ts";
import { WindowSchema } from "./gen/lifeline/v1/window_pb.ts";
import { MAX_DECODED_BYTES, MAX_MESSAGE_BYTES, MAX_REPORT_BYTES, MAX_UNKNOWN_FIELDS } from "./limits.ts";
import { readMessage } from "./read-message.ts";
import { decodeReport, encodeReport, NO_SELF_METRICS } from "./report-codec.ts";
import { decodeWindow } from "./stored-window.ts";
import { checkWire } from "./wire-check.ts";
import { WIRE_LIMITS } from "./wire-limits.ts";
import { type FieldShape, layOut, shapeOf, WIRE_BYTES, WIRE_FIXED64 } from "./wire-shape.ts";

const directory = join(import.meta.dirname, "gen/lifeline/v1");
const files = await Promise.all(
  globSync("*_pb.ts", { cwd: directory }).map(async (name) => {
    const module = (await import(join(directory, name))) as Record<string, DescFile>;
    return module[`file_lifeline_v1_${name.replace("_pb.ts", "")}`];
  }),
);
const contract: readonly DescMessage[] = files.flatMap((file) => file?.messages ?? []);

const NOTHING = new Uint8Array();

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** A field of bytes: a message, text, bytes, or packed numbers. */
function field(number: number, body: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(body);
  return Buffer.concat([Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
}

const raw = (...bytes: readonly number[]) => Uint8Array.from(bytes);
const joined = (...pieces: readonly Uint8Array[]) => Buffer.concat(pieces);
const times = (count: number, piece: Uint8Array) => Buffer.alloc(count * piece.length, piece);

/** One occurrence of a field, as small as it can be. */
function least(number: number, { wireType }: FieldShape): Uint8Array {
  if (wireType === WIRE_BYTES) return field(number, NOTHING);
  return raw(...varint(number * 8 + wireType), ...new Array<number>(wireType === WIRE_FIXED64 ? 8 : 1).fill(0));
}

const isSized = ({ scalar }: DescField) => scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
const fields = contract.flatMap((schema) =>
  schema.fields.map((desc) => ({ name: `${schema.name}.${desc.name}`, schema, desc, bound: boundOf(schema, desc) })),
);

function boundOf(schema: DescMessage, { number }: DescField): FieldShape {
  const bound = shapeOf(schema).fields[number];
  if (bound === undefined) throw new TypeError(`${schema.name} has no field ${number}`);
  return bound;
}

describe("the table of limits", () => {
  it("has a bound for every list, text and byte field of every message", () => {
    expect(contract.length).toBeGreaterThan(50);
    const bounded = fields.filter(({ desc }) => desc.fieldKind === "list" || isSized(desc));
    expect(bounded.length).toBeGreaterThan(100);
    for (const { name, desc } of bounded) {
      expect(WIRE_LIMITS.get(desc.parent.typeName)?.[desc.localName], name).toBeDefined();
    }
  });

  it.each([
    ["no bound", {}, "ReportKey.boot_id"],
    ["a list's bound", { bootId: { entries: 1 } }, "ReportKey.boot_id"],
    ["a bound of a number", { bootId: 16, sequence: 8 }, "ReportKey.sequence"],
  ])("is refused when a field has %s", (_, limits, name) => {
    const schema = contract.find((message) => message.name === "ReportKey");
    const lay = () => schema && layOut(schema, new Map([[schema.typeName, limits]]), 1);
    expect(lay).toThrow(name);
  });

  it("bounds the entries of each field, packed or not", () => {
    for (const { name, schema, desc, bound } of fields) {
      const one = least(desc.number, bound);
      const most = times(bound.entriesMax, one);
      expect(checkWire(schema, most), name).toBeUndefined();
      const value = bound.isList ? `${bound.entriesMax + 1} entries or more` : "it twice";
      const malformed = { field: desc.name, value, expected: bound.isList ? `at most ${bound.entriesMax}` : "it once" };
      expect(checkWire(schema, joined(most, one)), name).toEqual(malformed);
      if (!bound.isPackable) continue;
      const twoPacked = joined(most.subarray(one.length), field(desc.number, raw(0, 0)));
      expect(checkWire(schema, twoPacked), name).toEqual(malformed);
    }
  });

  it("bounds the bytes of each text and byte field", () => {
    for (const { name, schema, desc, bound } of fields.filter((each) => isSized(each.desc))) {
      const { bytesMax } = bound;
      expect(bytesMax, name).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
      expect(checkWire(schema, field(desc.number, Buffer.alloc(bytesMax))), name).toBeUndefined();
      const malformed = { field: desc.name, value: `${bytesMax + 1} bytes`, expected: `at most ${bytesMax}` };
      expect(checkWire(schema, field(desc.number, Buffer.alloc(bytesMax + 1))), name).toEqual(malformed);
    }
  });
});

/** Field numbers of report.proto and window.proto. */
const WINDOWS = 3;
const SELF_METRICS = 4;
const LAST = 19;
const EVIDENCE = 8;
const TARGETS = 3;
const TLS = 8;
const TIMED_SUMS = 15;

const ONE_BYTE_TOO_LONG = [...new Array<number>(10).fill(0x80), 0];

describe("a message", () => {
  it.each<[string, DescMessage, Uint8Array, string, string]>([
    [
      "of two million empty windows",
      ReportSchema,
      times(2_000_000, field(WINDOWS, NOTHING)),
      "windows",
      "1025 entries",
    ],
    [
      "with a nested list that is too long",
      ReportSchema,
      field(WINDOWS, field(LAST, field(EVIDENCE, times(17, field(6, NOTHING))))),
      "windows[0].last.evidence.chain",
      "17 entries",
    ],
    [
      "with a text that is too long in a later entry",
      PlanSchema,
      joined(times(3, field(TARGETS, NOTHING)), field(TARGETS, field(TLS, field(2, "x".repeat(1_537))))),
      "targets[3].tls.alpn",
      "1537 bytes",
    ],
    ["with a singular message twice", ReportSchema, times(2, field(SELF_METRICS, NOTHING)), "self_metrics", "it twice"],
    [
      "with two members of a oneof",
      StreamRequestSchema,
      joined(field(1, NOTHING), field(2, NOTHING)),
      "report",
      "it twice",
    ],
    ["with empty packed lists", WindowSchema, times(6, field(TIMED_SUMS, NOTHING)), "phase_sums_ns", "6 entries"],
    ["with a number for a text", ReportSchema, raw(0x10, 1), "target_ids", "wire type 0"],
    ["with bytes for a number", AgentSelfMetricsSchema, field(1, NOTHING), "rss_bytes", "wire type 2"],
    ["with a group for a message", ReportSchema, raw(0x1b, 0x1c), "windows", "wire type 3"],
    ["with an unknown group", ReportSchema, raw(0x7b, 0x7c), "report", "field 15 of wire type 3"],
    ["with field number 0", ReportSchema, raw(0x02, 0), "report", "field 0"],
    ["with an unknown wire type", ReportSchema, raw(0x7e, 0), "report", "field 15 of wire type 6"],
    [
      "with a varint of eleven bytes",
      AgentSelfMetricsSchema,
      raw(8, ...ONE_BYTE_TOO_LONG),
      "rss_bytes",
      "a value that does not",
    ],
    [
      "with a varint of more than 64 bits",
      AgentSelfMetricsSchema,
      raw(8, ...new Array<number>(9).fill(0xff), 2),
      "rss_bytes",
      "a value that does not",
    ],
    ["with a varint that is cut off", ReportSchema, raw(8, 0x80), "sealed_unix_ms", "a value that does not"],
    ["with a tag that is cut off", ReportSchema, raw(0x80), "report", "no varint of 32 bits"],
    ["with a tag of 33 bits", ReportSchema, raw(0xff, 0xff, 0xff, 0xff, 0x1f), "report", "no varint of 32 bits"],
    ["with a length beyond its end", ReportSchema, raw(0x12, 2, 65), "target_ids", "a value that does not"],
    [
      "with a length beyond its message, within the next",
      ReportSchema,
      joined(field(WINDOWS, raw(0xa2, 1, 2)), raw(8, 1)),
      "windows[0].last_bad",
      "a value that does not",
    ],
    ["with a packed number that is cut off", WindowSchema, field(6, raw(0x80)), "reasons", "a value that does not"],
    [
      "of unknown fields",
      ReportSchema,
      times(MAX_UNKNOWN_FIELDS + 1, raw(0x78, 0)),
      "report",
      `${MAX_UNKNOWN_FIELDS + 1} unknown fields`,
    ],
    ["with a text that is not UTF-8", ReportSchema, field(2, raw(0xff)), "report", "3 bytes"],
  ])("%s is refused, and the field is named", (_, schema, bytes, name, value) => {
    const read = readMessage(schema, bytes);
    expect(read).toMatchObject({ ok: false, malformed: { field: name, value: expect.stringContaining(value) } });
  });

  it("is bounded in total to decode, even when each part is within its bound", () => {
    const lists = joined(...[8, 9].map((number) => field(number, Buffer.alloc(1_000, 1))));
    const bytes = times(1_024, field(WINDOWS, lists));
    expect(bytes.length).toBeLessThan(MAX_REPORT_BYTES);
    const read = readMessage(ReportSchema, bytes);
    expect(read).toMatchObject({ ok: false, malformed: { expected: `at most ${MAX_DECODED_BYTES} to decode it` } });
    expect(!read.ok && read.malformed.field).toMatch(/^windows\[\d+\]$/);
  });

  it("of a later version is read without its new fields", () => {
    const bytes = joined(
      raw(0x79, ...new Array<number>(8).fill(1)),
      field(2, "a"),
      field(99, "new"),
      raw(0x7d, 1, 2, 3, 4),
    );
    const read = readMessage(ReportSchema, bytes);
    expect(read).toEqual({ ok: true, value: create(ReportSchema, { targetIds: ["a"] }) });
    expect(read.ok && "$unknown" in read.value).toBe(false);
  });

  it("of the largest size that Lifeline sends is accepted", () => {
    const row = {
      nodeId: "n".repeat(64),
      requirementId: "requirement",
      evidence: "e".repeat(60),
      rttP50Ns: 5n,
      sent: 9n,
    };
    const page = toBinary(
      ListVerdictsResponseSchema,
      create(ListVerdictsResponseSchema, { rows: Array(7_864).fill(row) }),
    );
    expect(checkWire(ListVerdictsResponseSchema, page)).toBeUndefined();
  });

  it("names its path in the enclosing message when one is given", () => {
    const windows = times(2, raw(8, 1));
    expect(readMessage(WindowSchema, windows, "window")).toMatchObject({ malformed: { field: "window.target_index" } });
    expect(readMessage(WindowSchema, raw(0x80), "window")).toMatchObject({ malformed: { field: "window" } });
    expect(decodeWindow(windows, "t")).toMatchObject({ ok: false, malformed: { field: "window.target_index" } });
  });

  it("is decoded by the library whenever the check accepts it", () => {
    const hello = toBinary(
      HelloSchema,
      create(HelloSchema, { nodeId: "n", roles: [1], resolvers: ["::1"], proxy: {} }),
    );
    const report = encodeReport({ sealedAtMs: 1, windows: [], selfMetrics: NO_SELF_METRICS });
    const changed = fc.tuple(fc.constantFrom(hello, report), fc.nat(200), fc.nat(255)).map(([bytes, at, byte]) => {
      return Uint8Array.from(bytes, (was, index) => (index === at % bytes.length ? byte : was));
    });
    const notUtf8 = { ok: false, malformed: { expected: expect.stringContaining("message") } };
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        for (const schema of [HelloSchema, ReportSchema, WindowSchema]) {
          const read = readMessage(schema, bytes);
          if (checkWire(schema, bytes) === undefined && !read.ok) expect(read).toMatchObject(notUtf8);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("a report of two million empty windows", () => {
  it("is refused before it is decoded", () => {
    const bytes = times(2_000_000, field(WINDOWS, NOTHING));
    const beforeKb = process.resourceUsage().maxRSS;
    const malformed = { field: "windows", value: "1025 entries or more", expected: "at most 1024" };
    expect(decodeReport(bytes)).toEqual({ ok: false, malformed });
    // Decoded, it takes 2.4 GB.
    expect(process.resourceUsage().maxRSS - beforeKb).toBeLessThan(100_000);
  });
});
