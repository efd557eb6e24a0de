/**
 * A packet capture by tcpdump: the reference for measured round trips.
 *
 * At most 64 MiB is kept. More than that is an error, and so is a packet that the kernel dropped: a capture is never
 * incomplete.
 */
import type { Readable } from "node:stream";
import { type Clock, pause } from "@lifeline/measure";
import { LabError } from "../../lab-error.ts";
import type { Host } from "./host.ts";

/** One captured packet. */
export interface CapturedPacket {
  /** Nanoseconds since the Unix epoch. */
  readonly atNs: bigint;
  /** The packet from its IP header on, cut at 256 bytes. */
  readonly bytes: Buffer;
}

/** A running capture. */
export interface Capture {
  /** Ends it; resolves with what was captured, in order. Throws `malformed-capture` when anything is missing. */
  stop(): Promise<CapturedPacket[]>;
}

const CAPTURE_MAX_BYTES = 64 * 1_024 * 1_024;
const SNAPLEN_BYTES = 270;
/** The last packets' way to tcpdump, ms: libpcap hands its buffer over once a second (tcpdump.c, pcap_set_timeout). */
const SETTLE_MS = 1_500;

/** First word of a file with nanosecond stamps, in this machine's byte order (draft-ietf-opsawg-pcap). */
const NANOSECOND_MAGIC = 0xa1b23c4d;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Link type → bytes before the IP header: Ethernet of veths, raw IP of TUN devices. */
const LINK_HEADER_BYTES: Readonly<Record<number, number>> = { 1: 14, 101: 0 };
const NS_PER_S = 1_000_000_000n;

/** Starts tcpdump on `device` in `host` with a pcap `filter` (pcap-filter(7)); it captures once this resolves. */
export async function capture(clock: Clock, host: Host, device: string, filter: string): Promise<Capture> {
  const stamps = ["--time-stamp-precision=nano", "-U", "-Z", "root", "-n"];
  const args = ["-i", device, ...stamps, "-s", String(SNAPLEN_BYTES), "-w", "-", filter];
  const process = host.spawn("tcpdump", args, { rawOutput: true });
  const hasSaid = (text: string) => process.hasSaid(text);
  const complaint = () => process.complained();
  const end = () => {
    process.signal("SIGINT");
    return process.ended;
  };
  return captureOf(clock, { stdout: process.stdout, hasSaid, complaint, end });
}

/** A running tcpdump that writes a capture to its stdout. */
export interface Tcpdump {
  readonly stdout: Readable;
  /** Resolves once `text` is in its stderr. */
  hasSaid(text: string): Promise<void>;
  /** Its stderr so far. */
  complaint(): string;
  /** Ends it by SIGINT or SIGTERM; resolves when it has ended. */
  end(): Promise<unknown>;
}

/** The capture of a tcpdump that was just started; it captures once this resolves. */
export async function captureOf(clock: Clock, tcpdump: Tcpdump): Promise<Capture> {
  const parts: Buffer[] = [];
  let bytes = 0;
  tcpdump.stdout.on("data", (part: Buffer) => {
    bytes += part.length;
    // One part beyond the bound is kept, so that reading says why it refuses.
    if (bytes - part.length <= CAPTURE_MAX_BYTES) parts.push(part);
  });
  await tcpdump.hasSaid("listening on");
  return {
    async stop() {
      await pause(clock, SETTLE_MS);
      await tcpdump.end();
      const dropped = /(\d+) packets? dropped by kernel/.exec(tcpdump.complaint())?.[1];
      if (dropped !== "0") throw new LabError("malformed-capture", `capture: ${dropped ?? "unknown"} packets dropped`);
      return readPackets(Buffer.concat(parts));
    },
  };
}

/** Reads what tcpdump wrote on this machine. Throws `malformed-capture`. */
export function readPackets(file: Buffer): CapturedPacket[] {
  if (file.length > CAPTURE_MAX_BYTES) fail(`${file.length} bytes; expected at most ${CAPTURE_MAX_BYTES}`);
  if (file.length < FILE_HEADER_BYTES) fail(`${file.length} bytes; a file header has ${FILE_HEADER_BYTES}`);
  if (file.readUInt32LE(0) !== NANOSECOND_MAGIC) fail("first word: expected little-endian nanosecond stamps");
  const linkType = file.readUInt32LE(20);
  const skip = LINK_HEADER_BYTES[linkType] ?? fail(`link type ${linkType}; expected 1 or 101`);
  const packets: CapturedPacket[] = [];
  for (let at = FILE_HEADER_BYTES; at < file.length; ) {
    if (at + RECORD_HEADER_BYTES > file.length) fail(`byte ${at}: the record header is cut short`);
    const begin = at + RECORD_HEADER_BYTES;
    const end = begin + file.readUInt32LE(at + 8);
    if (end > file.length) fail(`byte ${begin}: the packet is cut short`);
    const atNs = BigInt(file.readUInt32LE(at)) * NS_PER_S + BigInt(file.readUInt32LE(at + 4));
    packets.push({ atNs, bytes: file.subarray(begin + skip, end) });
    at = end;
  }
  return packets;
}

function fail(what: string): never {
  throw new LabError("malformed-capture", `capture: ${what}`);
}
