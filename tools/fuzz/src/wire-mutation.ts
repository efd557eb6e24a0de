/**
 * Changes to protobuf messages that know their encoding: fields left out, repeated, moved, grafted, and numbers and
 * lengths that lie.
 */
import { between, pick, type Random } from "@lifeline/harness";
import { joined, mutateBytes } from "./byte-mutation.ts";

/** One field as it stands: its tag, and what follows. */
export interface WireField {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes (protobuf.dev/programming-guides/encoding). */
  readonly wireType: number;
  /** Of type 2 without the length; else as encoded. */
  readonly body: Uint8Array;
}

/** Numbers at the ends of ranges, as varints; the last two are longer than a varint may be. */
const VARINTS: readonly Uint8Array[] = [
  ...[0n, 1n, 2n, 127n, 128n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 2n ** 53n - 1n, 2n ** 53n].map(varint),
  ...[2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n].map(varint),
  Buffer.from("80808080808080808001", "hex"),
  Buffer.from("ffffffffffffffffffff01", "hex"),
];

/** How often a field is repeated when it is: mostly once, now and then beyond every list's bound. */
const REPEATS = [1, 1, 1, 2, 3, 17, 65, 520, 1_030] as const;

/** Largest message that is made, bytes: repeats stop there. */
const MESSAGE_MAX_BYTES = 65_536;

/** How deep fields are opened: deeper than any message of the contract nests. */
const DEPTH_MAX = 6;

/**
 * One change to `message`; `donor` is a message whose fields may be grafted. What is no message is changed as bytes.
 */
export function mutateMessage(random: Random, message: Uint8Array, donor: Uint8Array, depth = 0): Uint8Array {
  const fields = random() < 0.9 ? fieldsOf(message) : undefined;
  if (fields === undefined || fields.length === 0) return mutateBytes(random, message);
  const at = between(random, 0, fields.length - 1);
  const field = fields[at];
  if (field === undefined) return message;
  if (field.wireType === 2 && depth < DEPTH_MAX && random() < 0.6) {
    const inner = fieldsOf(donor)?.find(({ number, wireType }) => number === field.number && wireType === 2);
    const body = mutateMessage(random, field.body, inner?.body ?? donor, depth + 1);
    return encoded(fields.with(at, { ...field, body }));
  }
  switch (between(random, 0, 6)) {
    case 0:
      return encoded(fields.toSpliced(at, 1));
    case 1:
      return encoded(fields.toSpliced(at, 0, ...repeated(field, pick(random, REPEATS))));
    case 2:
      return encoded(fields.toSpliced(at, 1).toSpliced(between(random, 0, fields.length - 1), 0, field));
    case 3:
      return encoded(fields.with(at, { ...field, number: between(random, 0, 20) }));
    case 4:
      return encoded(fields.with(at, { number: field.number, wireType: 0, body: pick(random, VARINTS) }));
    case 5:
      return lying(random, fields, at);
    default: {
      const grafts = fieldsOf(donor) ?? [];
      return grafts.length === 0 ? message : encoded(fields.toSpliced(at, between(random, 0, 1), pick(random, grafts)));
    }
  }
}

function repeated(field: WireField, times: number): WireField[] {
  const most = Math.max(1, Math.floor(MESSAGE_MAX_BYTES / (field.body.length + 4)));
  return new Array<WireField>(Math.min(times, most)).fill(field);
}

/** A length that is not what follows. */
function lying(random: Random, fields: readonly WireField[], at: number): Uint8Array {
  const field = fields[at];
  if (field === undefined) return encoded(fields);
  const tag = varint(BigInt(field.number * 8 + 2));
  return joined(encoded(fields.slice(0, at)), tag, pick(random, VARINTS), field.body, encoded(fields.slice(at + 1)));
}

/** The fields of a message; undefined when the bytes are not a message. */
export function fieldsOf(bytes: Uint8Array): readonly WireField[] | undefined {
  const fields: WireField[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    if (tag === undefined) return undefined;
    const wireType = tag.value % 8;
    const start = wireType === 2 ? readVarint(bytes, tag.end) : { value: 0, end: tag.end };
    if (start === undefined) return undefined;
    const end = endOf(bytes, wireType, start);
    if (end === undefined || end > bytes.length) return undefined;
    fields.push({ number: Math.floor(tag.value / 8), wireType, body: bytes.subarray(start.end, end) });
    at = end;
  }
  return fields;
}

function endOf(bytes: Uint8Array, wireType: number, { value, end }: { value: number; end: number }) {
  switch (wireType) {
    case 0:
      return readVarint(bytes, end)?.end;
    case 1:
      return end + 8;
    case 2:
      return end + value;
    case 5:
      return end + 4;
    default:
      return undefined;
  }
}

/** A number, inexact beyond 2^53; undefined when it does not end within ten bytes. */
function readVarint(bytes: Uint8Array, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = start; at < Math.min(bytes.length, start + 10); at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}

/** The message of these fields. */
export function encoded(fields: readonly WireField[]): Uint8Array {
  const pieces = fields.flatMap(({ number, wireType, body }) => {
    const tag = varint(BigInt(number * 8 + wireType));
    return wireType === 2 ? [tag, varint(BigInt(body.length)), body] : [tag, body];
  });
  return joined(...pieces);
}

/** A number as a varint. */
export function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Uint8Array.from([...bytes, Number(rest)]);
}
