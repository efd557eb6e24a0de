/** Packets made by hand. */

/** An IPv4 packet of `protocol` with `payload`; `options` are 32-bit words of IP options. */
export function ipv4(protocol: number, payload: Buffer, { options = 0, fragmentOffset = 0 } = {}): Buffer {
  const header = Buffer.alloc(20 + options * 4);
  header.writeUInt8(0x40 | (header.length / 4), 0);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(fragmentOffset, 6);
  header.writeUInt8(protocol, 9);
  return Buffer.concat([header, payload]);
}

/** A TCP segment without data. */
export function tcp(from: number, to: number, flags: number, sequence: number, acknowledged = 0): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(from, 0);
  segment.writeUInt16BE(to, 2);
  segment.writeUInt32BE(sequence, 4);
  segment.writeUInt32BE(acknowledged, 8);
  segment.writeUInt8(0x50, 12);
  segment.writeUInt8(flags, 13);
  return segment;
}

/** An ICMP echo request (type 8) or reply (type 0). */
export function echo(type: number, identifier: number, sequence: number): Buffer {
  const message = Buffer.alloc(8);
  message.writeUInt8(type, 0);
  message.writeUInt16BE(identifier, 4);
  message.writeUInt16BE(sequence, 6);
  return message;
}
