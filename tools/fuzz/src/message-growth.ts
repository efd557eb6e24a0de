/**
 * Messages of a protobuf schema out of proportion: every field at any depth many times, alone and within others that
 * come many times.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { pick, type Random } from "@lifeline/harness";
import { MAX_REPORT_BYTES } from "@lifeline/wire";
import { joined } from "./byte-mutation.ts";
import { type Growth, times } from "./growth.ts";
import { drawMessage } from "./message-draw.ts";
import { varint } from "./wire-mutation.ts";

/** Sizes of the generated messages, bytes; the last is the largest possible. */
const SIZES = [65_536, 262_144, 1_048_576, MAX_REPORT_BYTES] as const;

/**
 * How often a field comes within those around it, when it is not the one that fills the message: bounds of lists, and
 * beyond.
 */
const COUNTS = [1, 1, 5, 12, 16, 17, 512, 1_024, 10_000] as const;

/** Numbers in one packed list, and characters of one text. */
const LENGTHS = [16, 257, 5_000, 100_000, 2_000_000] as const;

/** Fields that lead from a message to one within it. */
type Path = readonly DescField[];

/** Growth of messages of `schema`; `valid` are encodings that decode. */
export function messageGrowth(schema: DescMessage, valid: readonly Uint8Array[], decode: Growth["decode"]): Growth {
  const filling = pathsOf(schema)
    .filter((path) => isMany(path.at(-1)))
    .sort((one, other) => one.length - other.length);
  return {
    draw(random, at) {
      const path = filling[at];
      if (path !== undefined)
        return nested(path, empty(path.at(-1)), (depth) => (depth === path.length - 1 ? Infinity : 1));
      const drawn = walk(random, schema);
      if (drawn.length === 0 || random() < 0.1) return times(unknown(random), Math.floor(pick(random, SIZES) / 4));
      return drawPath(random, drawn, valid);
    },
    decode,
  };
}

/** Every field of a message, and of those within it. */
function pathsOf({ fields }: DescMessage): Path[] {
  return fields.flatMap((field) => [
    [field],
    ...(field.message === undefined ? [] : pathsOf(field.message).map((path) => [field, ...path])),
  ]);
}

/** A way down from a message, mostly a short one. */
function walk(random: Random, { fields }: DescMessage): Path {
  if (fields.length === 0) return [];
  const field = pick(random, fields);
  return field.message === undefined || random() < 0.4 ? [field] : [field, ...walk(random, field.message)];
}

/** Whether each occurrence of the field becomes an object or an entry. */
function isMany(field: DescField | undefined): boolean {
  return field?.message !== undefined || field?.fieldKind === "list";
}

function drawPath(random: Random, path: Path, valid: readonly Uint8Array[]): Uint8Array {
  // Half of them fill no message, and have once what is no list: they may be within every bound, and cost what such may
  // cost.
  const filled = Math.floor(2 * random() * path.length);
  const once = (field: DescField) => filled >= path.length && field.fieldKind !== "list";
  const counts = path.map((field, depth) => (depth === filled ? Infinity : once(field) ? 1 : pick(random, COUNTS)));
  const grown = nested(path, pieceOf(random, path.at(-1)), (depth) => counts[depth] ?? 1, pick(random, SIZES));
  return random() < 0.5 && valid.length > 0 ? joined(pick(random, valid), grown) : grown;
}

/** A piece within the fields of a path, each of them as often as `countOf` says and `mostBytes` allow. */
function nested(
  path: Path,
  piece: Uint8Array,
  countOf: (depth: number) => number,
  mostBytes = MAX_REPORT_BYTES,
): Uint8Array {
  return path.reduceRight((block, field, depth) => {
    const one = depth === path.length - 1 ? block : lengthed(field.number, block);
    const room = Math.max(1, Math.floor((mostBytes - TAGS_MAX_BYTES) / one.length));
    return times(one, Math.min(room, countOf(depth)));
  }, piece);
}

/** Room for the tags and lengths of the messages around. */
const TAGS_MAX_BYTES = 64;

/** One occurrence of a field: empty, or long, or with something in it. */
function pieceOf(random: Random, field: DescField | undefined): Uint8Array {
  if (field === undefined || random() < 0.3) return empty(field);
  if (field.message !== undefined) return lengthed(field.number, drawMessage(random, field.message).subarray(0, 4_096));
  const length = pick(random, LENGTHS);
  const isText = field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
  const value = isText ? Buffer.from(pick(random, ["x", "€"])) : varint(pick(random, [0n, 1n, 300n, 2n ** 32n - 1n]));
  const count = Math.min(length, Math.floor((MAX_REPORT_BYTES - TAGS_MAX_BYTES) / value.length));
  if (isText || field.fieldKind === "list") return lengthed(field.number, times(value, count));
  return joined(varint(BigInt(field.number * 8)), value);
}

/** The least that a field takes: two bytes. */
function empty(field: DescField | undefined): Uint8Array {
  const { number = 1, scalar } = field ?? {};
  const isBytes = scalar === ScalarType.STRING || scalar === ScalarType.BYTES || field?.message !== undefined;
  return joined(varint(BigInt(number * 8 + (isBytes ? 2 : 0))), Uint8Array.of(0));
}

/** A field that no message of the contract has, or a group's beginning. */
function unknown(random: Random): Uint8Array {
  return pick(random, [Uint8Array.of(0x98, 0x06, 0), Uint8Array.of(0x9a, 0x06, 0), Uint8Array.of(0x9b, 0x06)]);
}

function lengthed(number: number, body: Uint8Array): Uint8Array {
  return joined(varint(BigInt(number * 8 + 2)), varint(BigInt(body.length)), body);
}
