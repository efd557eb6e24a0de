/**
 * Checks an encoded message before it is decoded, and refuses one whose decoding would take too much memory (S2).
 *
 * A field that is an empty message has two bytes and becomes up to 1.1 kB of heap; a report of two million of them 2.4
 * GB. So the check compares counts and sizes with wire-limits.ts, and the estimated cost of decoding with
 * MAX_DECODED_BYTES. It takes one pass over the bytes and allocates only for a refusal.
 *
 * Measured for accepted messages (Node 24.21): a report of 1,024 empty windows has 2 KiB and becomes 1.1 MB, 560 bytes
 * of heap for each byte. A page of 10,000 empty rows, which only clients decode, has 20 kB and becomes 16 MB. Above 64
 * KiB a report takes at most 80 bytes for each byte, in windows of empty certificates. The largest of all is 30 MB, of
 * lists of buckets, and the same again while they grow. The check takes 12 µs for a report of ten windows; decoding
 * takes 66 µs.
 *
 * The check also refuses what the encoding allows and no encoder writes: a field that occurs twice and is no list, a
 * wire type that is not the field's, groups, varints of more than ten bytes, and lengths beyond the message.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { MAX_DECODED_BYTES, MAX_UNKNOWN_FIELDS } from "./limits.ts";
import type { Malformed } from "./malformed.ts";
import {
  DEPTH_MAX,
  type FieldShape,
  LIST_HEAP_BYTES,
  type MessageShape,
  SLOTS_MAX,
  shapeOf,
  WIRE_BYTES,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_VARINT,
} from "./wire-shape.ts";

/** Heap for an unknown field, bytes: the library makes a view of it and drops it. */
const UNKNOWN_HEAP_BYTES = 128;

/** Bytes of the longest varint: 64 bits, seven in each byte; the last has one. */
const VARINT_MAX_BYTES = 10;

/**
 * How often each field has occurred, for each message on the path. A check ends before another begins, so all share one
 * array.
 */
const SEEN = new Uint32Array(DEPTH_MAX * SLOTS_MAX);

/** Why a message of `schema` must not be decoded; undefined: it may. `field` is empty if the whole message is wrong. */
export function checkWire(schema: DescMessage, bytes: Uint8Array): Malformed | undefined {
  const walk = new WireWalk(bytes);
  walk.message(shapeOf(schema), bytes.length, 0);
  return walk.fault;
}

class WireWalk {
  readonly #bytes: Uint8Array;
  #at = 0;
  #heapBytes = 0;
  #unknownFields = 0;
  fault: Malformed | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Checks the fields up to `end`. False: refused. */
  message(shape: MessageShape, end: number, depth: number): boolean {
    const counts = depth * SLOTS_MAX;
    SEEN.fill(0, counts, counts + shape.slots);
    if (!this.#spend(shape.heapBytes)) return false;
    while (this.#at < end) {
      const tag = this.#uint32(end);
      if (tag < 8) return this.#refuse(tag < 0 ? "no varint of 32 bits" : "field 0", "a field's number");
      const field = shape.fields[tag >>> 3];
      const isRight =
        field === undefined
          ? this.#unknown(tag >>> 3, tag & 7, end)
          : this.#field(field, tag & 7, counts + field.slot, end, depth);
      if (!isRight) return false;
    }
    return true;
  }

  /** Checks one occurrence of a field; `slot` is its counter. */
  #field(field: FieldShape, wireType: number, slot: number, end: number, depth: number): boolean {
    if (wireType !== field.wireType && (wireType !== WIRE_BYTES || !field.isPackable)) {
      return this.#refuse(`wire type ${wireType}`, String(field.wireType), field);
    }
    if (wireType === WIRE_BYTES) return this.#body(field, slot, end, depth);
    return this.#number(wireType, end) ? this.#count(field, slot, 1, field.entryHeapBytes) : this.#cutOff(field);
  }

  /** Checks a value with a length: packed numbers, text, bytes or a message. */
  #body(field: FieldShape, slot: number, end: number, depth: number): boolean {
    const length = this.#uint32(end);
    const bodyEnd = this.#at + length;
    if (length < 0 || bodyEnd > end) return this.#cutOff(field);
    if (field.isPackable) {
      const entries = this.#packed(field.wireType, bodyEnd);
      return entries < 0 ? this.#cutOff(field) : this.#count(field, slot, entries, entries * field.entryHeapBytes);
    }
    if (length > field.bytesMax) return this.#refuse(`${length} bytes`, `at most ${field.bytesMax}`, field);
    if (!this.#count(field, slot, 1, field.entryHeapBytes + length * field.heapPerByte)) return false;
    if (field.inner === undefined) {
      this.#at = bodyEnd;
      return true;
    }
    if (this.message(field.inner, bodyEnd, depth + 1)) return true;
    this.#within(field, (SEEN[slot] ?? 1) - 1);
    return false;
  }

  /** Counts entries, and the heap for decoding them. */
  #count(field: FieldShape, slot: number, entries: number, heapBytes: number): boolean {
    const before = SEEN[slot] ?? 0;
    SEEN[slot] = before + entries;
    if (before + entries > field.entriesMax) return this.#tooMany(field, before + entries);
    return this.#spend(field.isList && before === 0 ? heapBytes + LIST_HEAP_BYTES : heapBytes);
  }

  /** Skips an unknown field, which a later version of the contract may have. */
  #unknown(number: number, wireType: number, end: number): boolean {
    this.#unknownFields += 1;
    if (this.#unknownFields > MAX_UNKNOWN_FIELDS) {
      return this.#refuse(`${this.#unknownFields} unknown fields or more`, `at most ${MAX_UNKNOWN_FIELDS}`);
    }
    if (!this.#spend(UNKNOWN_HEAP_BYTES)) return false;
    if (wireType !== WIRE_BYTES) {
      return this.#number(wireType, end) || this.#refuse(`field ${number} of wire type ${wireType}`, "a whole field");
    }
    const length = this.#uint32(end);
    if (length < 0 || this.#at + length > end) return this.#refuse(`field ${number} cut off`, "a whole field");
    this.#at += length;
    return true;
  }

  /** Counts packed numbers, at least one, because no encoder writes none. Less than 0: the last number is cut off. */
  #packed(wireType: number, end: number): number {
    let entries = 0;
    for (; this.#at < end; entries += 1) if (!this.#number(wireType, end)) return -1;
    return Math.max(1, entries);
  }

  /** Skips one number. False: it is too long, or its wire type is not that of a number. */
  #number(wireType: number, end: number): boolean {
    if (wireType === WIRE_VARINT) return this.#varint(end);
    if (wireType !== WIRE_FIXED64 && wireType !== WIRE_FIXED32) return false;
    this.#at += wireType === WIRE_FIXED64 ? 8 : 4;
    return this.#at <= end;
  }

  #varint(end: number): boolean {
    const last = this.#at + VARINT_MAX_BYTES - 1;
    for (let at = this.#at; at < end && at <= last; at += 1) {
      const byte = this.#bytes[at] ?? 0;
      if (byte >= 0x80) continue;
      this.#at = at + 1;
      return at < last || byte <= 1;
    }
    return false;
  }

  /** Reads a tag or a length. Less than 0: it has more than 32 bits, or is cut off. */
  #uint32(end: number): number {
    let value = 0;
    let at = this.#at;
    for (let factor = 1; factor <= 2 ** 28 && at < end; factor *= 128) {
      const byte = this.#bytes[at] ?? 0;
      at += 1;
      if (byte >= 0x80) {
        value += (byte & 0x7f) * factor;
        continue;
      }
      this.#at = at;
      return factor === 2 ** 28 && byte > 0x0f ? -1 : value + byte * factor;
    }
    return -1;
  }

  #spend(heapBytes: number): boolean {
    this.#heapBytes += heapBytes;
    if (this.#heapBytes <= MAX_DECODED_BYTES) return true;
    return this.#refuse(`${this.#heapBytes} bytes of heap or more`, `at most ${MAX_DECODED_BYTES} to decode it`);
  }

  #tooMany(field: FieldShape, entries: number): false {
    if (!field.isList) return this.#refuse("it twice", "it once", field);
    return this.#refuse(`${entries} entries or more`, `at most ${field.entriesMax}`, field);
  }

  #cutOff(field: FieldShape): false {
    return this.#refuse("a value that does not end within its message", "a whole one", field);
  }

  #refuse(value: string, expected: string, field?: FieldShape): false {
    this.fault = { field: field?.name ?? "", value, expected };
    return false;
  }

  /** Adds the path of the refused message. */
  #within({ name, isList }: FieldShape, index: number): void {
    if (this.fault === undefined) return;
    const { field } = this.fault;
    const outer = isList ? `${name}[${index}]` : name;
    this.fault = { ...this.fault, field: field === "" ? outer : `${outer}.${field}` };
  }
}
