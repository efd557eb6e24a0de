/**
 * Message bytes for attacks that no encoder produces (protobuf.dev, "Encoding"; gRPC over HTTP/2,
 * "Length-Prefixed-Message").
 */

/** A base-128 varint. */
export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let left = BigInt(value);
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  bytes.push(Number(left));
  return Buffer.from(bytes);
}

/** A field with a length: text, bytes or a message. */
export function field(number: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/** A field of a number. */
export function numberField(number: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

/** A repeated field of `count` empty messages: two bytes each. */
export function emptyMessages(number: number, count: number): Buffer {
  return Buffer.alloc(2 * count, Buffer.from([(number << 3) | 2, 0]));
}

/** A message as gRPC frames it. */
export function framed(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
