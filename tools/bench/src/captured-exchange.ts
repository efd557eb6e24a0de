/**
 * What a capture shows of round trips: TCP handshakes (SYN to its SYN-ACK), ICMP echoes and STAMP packets (request to
 * its reply). Pure.
 *
 * 1. A handshake is named by client port and initial sequence number, an echo by identifier and sequence number: a port
 *    used again is another handshake, a SYN sent again is the same one.
 * 2. What is no IPv4, TCP or ICMP echo is left out; a header that is cut short is an error.
 */
import type { CapturedPacket } from "@lifeline/lab";
import { BenchError } from "./bench-error.ts";

/** One round trip on the wire. */
export interface Exchange {
  /** Client port of a handshake, sequence number of an echo or of a STAMP packet. */
  readonly name: number;
  /** Capture time of the first request, ns since the epoch. */
  readonly sentNs: bigint;
  /** First request to first answer, ns; undefined when none was captured. */
  readonly rttNs: number | undefined;
  /** Requests captured; more than one means that the host sent again, and the round trip is ambiguous. */
  readonly requests: number;
}

/** RFC 791: version and header length, fragment word, protocol. */
const IPV4_HEADER_MIN_BYTES = 20;
const FRAGMENT_OFFSET_MASK = 0x1fff;
const PROTOCOL_OFFSET = 9;
/** Assigned protocol numbers (IANA). */
const ICMP = 1;
const TCP = 6;
/** RFC 768: ports, length, checksum. RFC 8762 figures 2 and 4: the sender's number, and its copy in the reply. */
const UDP = 17;
const UDP_HEADER_BYTES = 8;
const STAMP_SEQUENCE_OFFSET = UDP_HEADER_BYTES;
const STAMP_SENDER_SEQUENCE_OFFSET = UDP_HEADER_BYTES + 24;
const STAMP_BYTES = 44;
/** RFC 9293 §3.1: the fixed TCP header, and the flags in its 14th byte. */
const TCP_HEADER_BYTES = 20;
const TCP_FLAGS_OFFSET = 13;
const FLAG_SYN = 0x02;
const FLAG_RST = 0x04;
const FLAG_ACK = 0x10;
/** RFC 792: type, code, checksum, identifier, sequence number. */
const ICMP_ECHO_BYTES = 8;
const ICMP_ECHO_REPLY = 0;
const ICMP_ECHO_REQUEST = 8;

interface Growing {
  readonly name: number;
  readonly sentNs: bigint;
  rttNs: number | undefined;
  requests: number;
}

/** The TCP handshakes with `serverPort`, in the order of their first SYN. */
export function readHandshakes(packets: readonly CapturedPacket[], serverPort: number): Exchange[] {
  return follow(packets, TCP, TCP_HEADER_BYTES, (segment) => {
    const flags = segment.readUInt8(TCP_FLAGS_OFFSET) & (FLAG_SYN | FLAG_RST | FLAG_ACK);
    const [from, to] = [segment.readUInt16BE(0), segment.readUInt16BE(2)];
    if (flags === FLAG_SYN && to === serverPort) {
      return { kind: "request", name: from, key: `${from}/${segment.readUInt32BE(4)}` };
    }
    if (flags === (FLAG_SYN | FLAG_ACK) && from === serverPort) {
      // A SYN takes up one sequence number, modulo 2^32 (RFC 9293 §3.4).
      return { kind: "answer", key: `${to}/${(segment.readUInt32BE(8) - 1) >>> 0}` };
    }
    return undefined;
  });
}

/** The unauthenticated STAMP packets to `reflectorPort`, in the order of their requests. */
export function readStamps(packets: readonly CapturedPacket[], reflectorPort: number): Exchange[] {
  return follow(packets, UDP, UDP_HEADER_BYTES + STAMP_BYTES, (datagram) => {
    const [from, to] = [datagram.readUInt16BE(0), datagram.readUInt16BE(2)];
    if (to === reflectorPort) {
      const sequence = datagram.readUInt32BE(STAMP_SEQUENCE_OFFSET);
      return { kind: "request", name: sequence, key: `${from}/${sequence}` };
    }
    if (from !== reflectorPort) return undefined;
    return { kind: "answer", key: `${to}/${datagram.readUInt32BE(STAMP_SENDER_SEQUENCE_OFFSET)}` };
  });
}

/** The ICMP echoes, in the order of their requests. */
export function readEchoes(packets: readonly CapturedPacket[]): Exchange[] {
  return follow(packets, ICMP, ICMP_ECHO_BYTES, (message) => {
    const type = message.readUInt8(0);
    const sequence = message.readUInt16BE(6);
    const key = `${message.readUInt16BE(4)}/${sequence}`;
    if (type === ICMP_ECHO_REQUEST) return { kind: "request", name: sequence, key };
    return type === ICMP_ECHO_REPLY ? { kind: "answer", key } : undefined;
  });
}

type Part =
  | { readonly kind: "request"; readonly name: number; readonly key: string }
  | { readonly kind: "answer"; readonly key: string };

function follow(
  packets: readonly CapturedPacket[],
  protocol: number,
  headerBytes: number,
  read: (transport: Buffer) => Part | undefined,
): Exchange[] {
  const exchanges = new Map<string, Growing>();
  for (const { atNs, bytes } of packets) {
    const transport = transportOf(bytes, protocol, headerBytes);
    const part = transport === undefined ? undefined : read(transport);
    if (part === undefined) continue;
    const known = exchanges.get(part.key);
    if (part.kind === "answer") {
      if (known !== undefined) known.rttNs ??= Number(atNs - known.sentNs);
    } else if (known === undefined) {
      exchanges.set(part.key, { name: part.name, sentNs: atNs, rttNs: undefined, requests: 1 });
    } else {
      known.requests += 1;
    }
  }
  return [...exchanges.values()];
}

/** The transport header on, of a first fragment of `protocol` over IPv4; undefined for everything else. */
function transportOf(packet: Buffer, protocol: number, headerBytes: number): Buffer | undefined {
  if (packet.length === 0 || packet.readUInt8(0) >> 4 !== 4) return undefined;
  if (packet.length < IPV4_HEADER_MIN_BYTES) throw cutShort(packet);
  if (packet.readUInt8(PROTOCOL_OFFSET) !== protocol) return undefined;
  if ((packet.readUInt16BE(6) & FRAGMENT_OFFSET_MASK) !== 0) return undefined;
  const begin = (packet.readUInt8(0) & 0x0f) * 4;
  if (begin < IPV4_HEADER_MIN_BYTES || packet.length < begin + headerBytes) throw cutShort(packet);
  return packet.subarray(begin);
}

function cutShort(packet: Buffer): BenchError {
  return new BenchError(
    "malformed-capture",
    `capture: an IPv4 packet of ${packet.length} bytes lacks part of its headers`,
  );
}
