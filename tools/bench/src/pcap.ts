/**
 * Packet captures as tcpdump writes them (pcap file format, draft-ietf-opsawg-pcap): nanosecond stamps, raw IP packets.
 *
 * 1. Bounded: a file beyond {@link CAPTURE_MAX_BYTES}, or a record beyond its own snapshot length, is refused.
 * 2. A record that the file cuts short is an error, never a packet less: a capture that lost its end proves nothing.
 */
import { BenchError } from "./bench-error.ts";

/** One packet as it was captured. */
export interface CapturedPacket {
  /** Nanoseconds since the Unix epoch; 64-bit, because 2^53 ns ended in April 1970. */
  readonly atNs: bigint;
  /** The packet from its IP header on; cut at the snapshot length. */
  readonly bytes: Buffer;
}

/** Largest capture read: 32 MiB, 50 times what 10,000 probes of 10 packets of 112 bytes take. */
export const CAPTURE_MAX_BYTES = 32 * 1_024 * 1_024;

/** First word of a file with nanosecond timestamps; it also shows the byte order. */
const NANOSECOND_MAGIC = 0xa1b23c4d;
/** First word of a file with microsecond timestamps: too coarse to check microseconds, so refused. */
const MICROSECOND_MAGIC = 0xa1b2c3d4;
/** `LINKTYPE_RAW`: the packet begins with its IP header, as on TUN devices. */
const LINKTYPE_RAW = 101;
/** The upper bits of the link type word hold the length of a frame check sequence. */
const LINKTYPE_MASK = 0x0fffffff;
const FILE_HEADER_BYTES = 24;
const SNAPLEN_OFFSET = 16;
const LINKTYPE_OFFSET = 20;
const RECORD_HEADER_BYTES = 16;
/** tcpdump's own upper limit of a snapshot length (MAXIMUM_SNAPLEN, netdissect.h). */
const SNAPLEN_MAX_BYTES = 262_144;
const NS_PER_SECOND = 1_000_000_000;

/** Reads a whole capture. Throws `malformed-capture`, saying where and what. */
export function readPcap(file: Buffer): CapturedPacket[] {
  if (file.length > CAPTURE_MAX_BYTES) fail(`${file.length} bytes; expected at most ${CAPTURE_MAX_BYTES}`);
  if (file.length < FILE_HEADER_BYTES) fail(`${file.length} bytes; a file header has ${FILE_HEADER_BYTES}`);
  const word = wordReader(file);
  const snaplenBytes = word(SNAPLEN_OFFSET);
  if (snaplenBytes === 0 || snaplenBytes > SNAPLEN_MAX_BYTES) {
    fail(`snapshot length ${snaplenBytes}; expected 1 to ${SNAPLEN_MAX_BYTES}`);
  }
  const linktype = word(LINKTYPE_OFFSET) & LINKTYPE_MASK;
  if (linktype !== LINKTYPE_RAW) fail(`link type ${linktype}; expected ${LINKTYPE_RAW} (raw IP)`);

  const packets: CapturedPacket[] = [];
  for (let at = FILE_HEADER_BYTES; at < file.length; ) {
    if (at + RECORD_HEADER_BYTES > file.length) fail(`byte ${at}: the record header is cut short`);
    const seconds = word(at);
    const fractionNs = word(at + 4);
    const includedBytes = word(at + 8);
    if (fractionNs >= NS_PER_SECOND) fail(`byte ${at}: ${fractionNs} ns of a second`);
    if (includedBytes > snaplenBytes)
      fail(`byte ${at}: a record of ${includedBytes} bytes; expected at most ${snaplenBytes}`);
    const begin = at + RECORD_HEADER_BYTES;
    at = begin + includedBytes;
    if (at > file.length) fail(`byte ${begin}: the record's packet is cut short`);
    packets.push({
      atNs: BigInt(seconds) * BigInt(NS_PER_SECOND) + BigInt(fractionNs),
      bytes: file.subarray(begin, at),
    });
  }
  return packets;
}

function wordReader(file: Buffer): (at: number) => number {
  const little = file.readUInt32LE(0);
  const big = file.readUInt32BE(0);
  if (little === NANOSECOND_MAGIC) return (at) => file.readUInt32LE(at);
  if (big === NANOSECOND_MAGIC) return (at) => file.readUInt32BE(at);
  if (little === MICROSECOND_MAGIC || big === MICROSECOND_MAGIC) fail("microsecond stamps; expected nanoseconds");
  return fail(`first word 0x${big.toString(16).padStart(8, "0")}; expected a pcap file`);
}

function fail(what: string): never {
  throw new BenchError("malformed-capture", `capture: ${what}`);
}
