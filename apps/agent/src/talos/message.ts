/**
 * The part of the protobuf encoding that reading a few fields needs (protobuf.dev, "Encoding"). The channel bounds the
 * size of a message. Other fields are skipped and never decoded, because some of Talos's hold secrets (S1).
 */

/** Bytes that are not a protobuf message. */
export class MalformedMessage extends Error {
  constructor() {
    super("not a protobuf message");
    this.name = "MalformedMessage";
  }
}

/** Wire types. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Bytes of the longest varint: 64 bits, seven to a byte. */
const VARINT_MAX_BYTES = 10;

/** Longest text that {@link encodeTexts} takes, bytes: its length is one byte of varint. */
const TEXT_MAX_BYTES = 127;

/** A field of a message: a number, or bytes (text, or a message in turn). Fixed-width fields are skipped. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message, in order. Throws a {@link MalformedMessage} at the first wrong byte. */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 7n * BigInt(VARINT_MAX_BYTES); shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedMessage();
  };
  const take = (length: bigint): Uint8Array => {
    if (length > BigInt(bytes.length - at)) throw new MalformedMessage();
    at += Number(length);
    return bytes.subarray(at - Number(length), at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case VARINT:
        yield { number, value: varint() };
        break;
      case BYTES:
        yield { number, value: take(varint()) };
        break;
      case FIXED64:
        take(8n);
        break;
      case FIXED32:
        take(4n);
        break;
      default:
        throw new MalformedMessage();
    }
  }
}

/** The last field of that number, as the encoding wants it; undefined when there is none. */
export function fieldOf(bytes: Uint8Array, number: number): bigint | Uint8Array | undefined {
  let found: bigint | Uint8Array | undefined;
  for (const field of fieldsOf(bytes)) if (field.number === number) found = field.value;
  return found;
}

/** The bytes at the end of a path of fields, each a message in the one before; undefined where one is absent. */
export function bytesAt(bytes: Uint8Array, ...path: readonly number[]): Uint8Array | undefined {
  let inner: Uint8Array | undefined = bytes;
  for (const number of path) {
    const value: bigint | Uint8Array | undefined = inner === undefined ? undefined : fieldOf(inner, number);
    inner = value instanceof Uint8Array ? value : undefined;
  }
  return inner;
}

/** A message of texts, numbered from 1. Throws a RangeError for one over 127 bytes: all of ours are constants. */
export function encodeTexts(texts: readonly string[]): Uint8Array {
  return Buffer.concat(
    texts.map((text, index) => {
      const bytes = Buffer.from(text);
      if (bytes.length > TEXT_MAX_BYTES) throw new RangeError(`${bytes.length} bytes, at most ${TEXT_MAX_BYTES}`);
      return Buffer.concat([Buffer.from([((index + 1) << 3) | BYTES, bytes.length]), bytes]);
    }),
  );
}
