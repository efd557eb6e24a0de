/** Captures made by hand: pcap files of raw IPv4 packets. */

/** A packet to put into a file. */
export interface Put {
  readonly atNs: bigint;
  readonly bytes: Buffer;
}

const NS_PER_SECOND = 1_000_000_000n;

/** A pcap file with nanosecond timestamps in the requested byte order. */
export function pcapFile(
  packets: readonly Put[],
  { little = true, magic = 0xa1b23c4d, snaplenBytes = 120, linktype = 101 } = {},
): Buffer {
  const words = (...values: number[]) => {
    const buffer = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) {
      if (little) buffer.writeUInt32LE(value, index * 4);
      else buffer.writeUInt32BE(value, index * 4);
    }
    return buffer;
  };
  const version = Buffer.from(little ? [2, 0, 4, 0] : [0, 2, 0, 4]);
  const records = packets.flatMap(({ atNs, bytes }) => [
    words(Number(atNs / NS_PER_SECOND), Number(atNs % NS_PER_SECOND), bytes.length, bytes.length),
    bytes,
  ]);
  return Buffer.concat([words(magic), version, words(0, 0, snaplenBytes, linktype), ...records]);
}

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
