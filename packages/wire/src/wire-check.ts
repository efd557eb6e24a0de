/**
 * Walks a message on the wire before anything is built of it, and refuses what decoding would make too much of (S2).
 *
 * Two bytes, a field that is an empty message, become up to 1.1 kB of heap, and a report of two million of them 2.4 GB. So counts and
 * sizes are held against wire-limits.ts, and what decoding would cost against MAX_DECODED_BYTES, on the bytes alone: one pass, nothing
 * allocated but for a refusal.
 *
 * Measured of what passes (Node 24.21): a report of 1,024 empty windows is 2 KiB and becomes 1.1 MB, 560 bytes of heap for a byte; a page
 * of 10,000 empty rows, which only clients read, 20 kB and 16 MB. Above 64 KiB a report costs at most 80 bytes a byte, in windows of empty
 * certificates. The most of any is 30 MB, of lists of buckets, and as much again for a moment while they grow. The walk takes 12 µs of a
 * report of ten windows, where decoding takes 66 µs.
 *
 * Refused as well is what no encoder writes, though the encoding allows it or other readers step over it: a field that occurs twice and is
 * no list, a wire type that is not the field's, groups, varints beyond ten bytes, and lengths beyond their message.
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

/** Heap of stepping over a field that is not known: the library makes a view of it, and lets it go. */
const UNKNOWN_HEAP_BYTES = 128;

/** Bytes of the longest varint: 64 bits, seven to a byte; its last holds one bit. */
const VARINT_MAX_BYTES = 10;

/** How often each field of each message on the way down has occurred. A walk ends before another can begin, so one is enough for all. */
const SEEN = new Uint32Array(DEPTH_MAX * SLOTS_MAX);

/** Why a message of `schema` must not be decoded; undefined: it may. `field` is empty where the message as a whole is wrong. */
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

  /** Walks the fields up to `end`. False when it has refused. */
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

  /** Walks one occurrence of a field; `slot` is where it is counted. */
  #field(field: FieldShape, wireType: number, slot: number, end: number, depth: number): boolean {
    if (wireType !== field.wireType && (wireType !== WIRE_BYTES || !field.isPackable)) {
      return this.#refuse(`wire type ${wireType}`, String(field.wireType), field);
    }
    if (wireType === WIRE_BYTES) return this.#body(field, slot, end, depth);
    return this.#number(wireType, end) ? this.#count(field, slot, 1, field.entryHeapBytes) : this.#cutOff(field);
  }

  /** Walks what stands behind a length: packed numbers, text or bytes, or a message. */
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

  /** Counts entries, and what decoding them takes. */
  #count(field: FieldShape, slot: number, entries: number, heapBytes: number): boolean {
    const before = SEEN[slot] ?? 0;
    SEEN[slot] = before + entries;
    if (before + entries > field.entriesMax) return this.#tooMany(field, before + entries);
    return this.#spend(field.isList && before === 0 ? heapBytes + LIST_HEAP_BYTES : heapBytes);
  }

  /** Steps over a field that a later version of the contract may have. */
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

  /** Counts packed numbers, at least one: no encoder writes none. Below 0 when they do not end with their bytes. */
  #packed(wireType: number, end: number): number {
    let entries = 0;
    for (; this.#at < end; entries += 1) if (!this.#number(wireType, end)) return -1;
    return Math.max(1, entries);
  }

  /** Steps over one number. False for one that does not end in time, and for a wire type that is no number's. */
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

  /** A tag or a length; below 0 when it is longer than 32 bits, or cut off. */
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

  /** Says where the message was that has refused. */
  #within({ name, isList }: FieldShape, index: number): void {
    if (this.fault === undefined) return;
    const { field } = this.fault;
    const outer = isList ? `${name}[${index}]` : name;
    this.fault = { ...this.fault, field: field === "" ? outer : `${outer}.${field}` };
  }
}
