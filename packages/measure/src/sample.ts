/** One attempt and what it showed. */
import type { Outcome } from "./outcome.ts";

/**
 * What measured a round-trip time: kernel timestamps, or this process's monotonic clock, which event-loop delay
 * affects.
 */
export type RttSource = "kernel" | "monotonic";

/** Durations of the parts of an attempt, in ns; a part that did not happen, or was answered from cache, is absent. */
export interface PhaseDurations {
  readonly dnsNs?: number;
  readonly connectNs?: number;
  readonly tlsNs?: number;
  readonly requestNs?: number;
  readonly firstByteNs?: number;
}

/** One certificate of a captured chain, leaf first. Text is cut at 256 characters, chains at 8 certificates. */
export interface ChainCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** Start and end of the validity, ISO 8601 in UTC. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** Lower-case hexadecimal SHA-256 of the DER. */
  readonly sha256: string;
  /** Whether the node itself trusts it as a CA: a root of its store, or a certificate of the target's own CA. */
  readonly anchor: boolean;
}

/** What the attempt showed. A window keeps it for its last attempt and for its last bad one. */
export interface Evidence {
  /** Address the packet went to. */
  readonly address?: string;
  /** Addresses that the resolver returned, sorted; at most 16. */
  readonly answers?: readonly string[];
  /**
   * Addresses that take turns, one an attempt: those of the target's host (or proxy) in this family, sorted; at most 8.
   * Absent where it has one address.
   */
  readonly addresses?: readonly string[];
  /** How many addresses the name has, where it has more than take turns. */
  readonly addressCount?: number;
  /**
   * What the failure was classified from: an errno name or library code, such as ECONNREFUSED, or the origin that gives
   * a registry's tokens.
   */
  readonly code?: string;
  readonly tlsVersion?: string;
  readonly alpn?: string;
  /** Number of the TLS alert that ended the handshake (RFC 8446 §6). */
  readonly tlsAlert?: number;
  readonly chain?: readonly ChainCertificate[];
  readonly httpStatus?: number;
  /** Origins of redirects, in order; at most 4 are recorded. They are text of the peer: never trust them. */
  readonly redirects?: readonly string[];
  /** Bytes of an unexpected body, decoded, as far as it was read. The body itself is never kept (S1). */
  readonly bodyBytes?: number;
  /** Media type and title of an unexpected body. They are text of the peer. */
  readonly contentType?: string;
  readonly pageTitle?: string;
  /** How long the endpoint asked to be left alone, ms, after the sample's end. */
  readonly retryAfterMs?: number;
  /** The gRPC status number of the trailer, and its message, decoded. */
  readonly grpcStatus?: number;
  readonly grpcMessage?: string;
  /** SYN segments that the kernel had to send again within the attempt. */
  readonly synRetransmits?: number;
  /** Round trip of an answer after the loss threshold, ns. It is no latency sample (RFC 7680 §2.5). */
  readonly lateRttNs?: number;
  /** Datagrams of an earlier attempt that arrived during this one (STAMP). */
  readonly strays?: number;
  /** Source address of the packet. */
  readonly localAddress?: string;
  /** The proxy of the attempt, host:port. */
  readonly proxy?: string;
  /** The status of the proxy's answer to CONNECT. */
  readonly proxyStatus?: number;
  /** Size of the largest IP packet that was answered, header included, bytes. */
  readonly pathMtuBytes?: number;
  readonly link?: LinkCounters;
  readonly time?: TimeAnswer;
}

/** What a time server said of itself and of this host's clock. Whole microseconds. */
export interface TimeAnswer {
  /** How far this host's clock is behind the server's; negative: ahead. Absent: the exchange shows none. */
  readonly offsetUs?: number;
  /** Distance from a reference clock, 0–255; 16: not synchronised (RFC 5905 §7.3, figure 11). */
  readonly stratum: number;
  /** Round-trip delay from the server to its reference clock. */
  readonly rootDelayUs: number;
  /** Most that the server's clock may be off its reference clock. */
  readonly rootDispersionUs: number;
}

/** The counters of the tunnel's interface (/sys/class/net/…/statistics) at the end of the attempt. */
export interface LinkCounters {
  /** siderolink or siderolinktun. */
  readonly name: string;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** Time since `rxBytes` was last seen to grow, or since it was first read, ms. */
  readonly rxFrozenMs: number;
  /** Packets sent in that time. */
  readonly txPacketsSince: number;
  readonly mtuBytes: number;
}

/**
 * Packet counts of each direction in a session of numbered datagrams (STAMP), since the counts before them. Loss in a
 * direction is `lost / sent` (RFC 7680). Counts cover disjoint parts of the session, so sums of them are valid.
 */
export interface DirectionCounts {
  readonly forwardSent: number;
  readonly forwardLost: number;
  readonly returnSent: number;
  readonly returnLost: number;
  /** Replies that arrived more than once (RFC 5560). */
  readonly duplicates: number;
  /** Replies that arrived after the reply to a later packet (RFC 4737). */
  readonly reordered: number;
}

/** The result of one probe call. */
export interface Sample {
  readonly targetId: string;
  /** Wall time of the start, ms since the epoch: a label, never subtracted (M2). */
  readonly startedAtMs: number;
  /** Wall time of the end, ms since the epoch: the start plus the monotonic duration. */
  readonly endedAtMs: number;
  readonly outcome: Outcome;
  /** Round-trip time in ns (RFC 2681); present only when a packet was sent and one came back. */
  readonly rtt?: { readonly ns: number; readonly source: RttSource };
  readonly phases: PhaseDurations;
  readonly evidence: Evidence;
  /** Only for sessions that number packets in both directions. */
  readonly directions?: DirectionCounts;
}
