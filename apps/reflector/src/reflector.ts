/**
 * A stateful STAMP Session-Reflector (RFC 8762 §4.3) on one UDP socket, IPv4 and IPv6 alike: it numbers its replies by its own
 * count, so that a sender can tell on which way packets are lost.
 *
 * 1. A reply is exactly as long as its request, is never fragmented by this host, and goes only where the request came from: nothing is amplified.
 * 2. What looks like WireGuard is never answered: the reflector may sit behind the SideroLink port, and must not be taken for
 *    a peer. Neither is a reply, nor what comes from a port at which something answers by itself (source-port.ts): a datagram
 *    with a forged source cannot make two services answer each other.
 * 3. Without room for another session the answer is stateless: it copies the sender's number, which says that nothing was counted.
 * 4. Each source has a bounded share, in a bounded table; every datagram is counted under exactly one outcome (S2).
 * 5. T3 − T2 is a monotonic duration: a step of the wall clock cannot be seen in it (M2).
 */
import assert from "node:assert/strict";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type Clock, type IpFamily, KeyedTokenBuckets, type RateLimit, TokenBucket } from "@lifeline/measure";
import { datagramFd, openKernelClock } from "@lifeline/probe";
import {
  addNs,
  asLongAs,
  decodeSender,
  encodeReflected,
  looksLikeWireGuard,
  type MalformedReason,
  ntpFromWallMs,
  reflect,
  TTL_UNKNOWN,
} from "@lifeline/stamp";
import type { Logger } from "pino";
import { createSessionTable, type SessionTable } from "./session-table.ts";
import { type RefusedPort, refusedPort } from "./source-port.ts";

/**
 * Requests answered a second for each source address, by default: 2,000, the budget of all agents together for an in-tunnel
 * endpoint (P1), for a whole site may share one address behind NAT, and a limit too low would look like loss.
 */
export const MAX_PER_SOURCE_PER_SECOND = 2_000;

/**
 * Requests answered a second in all, by default: 20,000, twice what ten thousand nodes send at one a second. It bounds what forged
 * sources, each within its own share, can make this host send.
 */
export const MAX_PER_SECOND = 20_000;

/** Most source addresses that are remembered (S2). A fleet of ten thousand nodes, few of them behind one address, fits. */
const LIMITED_SOURCES_MAX = 16_384;

/** What a reflector is made from. */
export interface ReflectorOptions {
  /** Address literal to listen on; `::` serves IPv4 as well. */
  readonly host: string;
  /** UDP port, 0–65535; 0 lets the kernel choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** 1 or more; default {@link MAX_PER_SOURCE_PER_SECOND}. */
  readonly maxPerSourcePerSecond?: number;
  /** 1 or more; default {@link MAX_PER_SECOND}. */
  readonly maxPerSecond?: number;
  /** 1 or more; default {@link SESSIONS_MAX}. */
  readonly maxSessions?: number;
  /** Given: only requests with this key's HMAC are answered. Absent: unauthenticated mode. Never logged (S1). */
  readonly key?: Uint8Array;
}

/** Datagrams since the start, by what became of them. */
export interface ReflectorStats {
  readonly reflected: number;
  /** Empty, too short, or corrupt. */
  readonly malformed: number;
  /** Without the key's HMAC. */
  readonly unauthentic: number;
  /** Replies of a reflector. */
  readonly replies: number;
  /** From a port below 1024. */
  readonly systemPort: number;
  /** From the port that this reflector listens on. */
  readonly ownPort: number;
  readonly wireguard: number;
  /** Above the source's share. */
  readonly limited: number;
  /** Above what all sources may have together. */
  readonly overloaded: number;
  /** Replies without a number of our own, for want of room in the table of sessions; counted as reflected too. */
  readonly stateless: number;
  /** Sessions remembered now. */
  readonly sessions: number;
  /** Replies that the kernel would not send. */
  readonly unsent: number;
  /** Errors of the socket itself. */
  readonly socketErrors: number;
  /** Sources that a new one replaced in the full table before their whole share had come back. */
  readonly sourceEvictions: number;
}

/** A running reflector. */
export interface Reflector {
  readonly address: { readonly host: string; readonly port: number };
  stats(): ReflectorStats;
  /** Closes the socket; resolves when the port is free. Idempotent. */
  close(): Promise<void>;
}

/** Lets no reply be fragmented: a large one then tests the way back as its request tested the way there. False: it cannot be had. */
function forbidsFragments(socket: Socket, host: string): boolean {
  const fd = datagramFd(socket);
  const forbid = (family: IpFamily) => fd !== undefined && openKernelClock()?.forbidFragments(fd, family) === true;
  // A socket of IPv6 serves IPv4 as well.
  return isIPv6(host) ? forbid(6) && forbid(4) : forbid(4);
}

/** A second's share may come at once. */
function rateOf(perSecond: number): RateLimit {
  return { capacity: perSecond, perSecond };
}

/** Opens the socket and starts to answer. Rejects with the system's error (`code`) when it cannot listen. */
export async function startReflector(options: ReflectorOptions): Promise<Reflector> {
  const { host, port, clock, log, key, maxPerSourcePerSecond = MAX_PER_SOURCE_PER_SECOND } = options;
  const { maxPerSecond = MAX_PER_SECOND } = options;
  assert(maxPerSourcePerSecond >= 1, `maxPerSourcePerSecond is 1 or more, not ${maxPerSourcePerSecond}`);
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
  socket.bind({ address: host, port });
  await once(socket, "listening").catch((error: unknown) => {
    socket.close();
    throw error;
  });

  if (!forbidsFragments(socket, host)) {
    log.warn("fragments cannot be forbidden here (no koffi): large replies do not test the way back");
  }
  const perSource = new KeyedTokenBuckets(rateOf(maxPerSourcePerSecond), LIMITED_SOURCES_MAX);
  const total = new TokenBucket(rateOf(maxPerSecond), clock.monotonicNs());
  const sessions = createSessionTable(options.maxSessions);
  const counts = {
    reflected: 0,
    malformed: 0,
    unauthentic: 0,
    replies: 0,
    systemPort: 0,
    ownPort: 0,
    wireguard: 0,
    limited: 0,
    overloaded: 0,
    unsent: 0,
    socketErrors: 0,
  };
  const admit = (address: string, nowNs: number) => {
    // The source first, so that one that floods does not use up what is for all.
    if (!perSource.take(address, nowNs)) return "limited";
    return total.take(nowNs) === 0 ? "admitted" : "overloaded";
  };
  const own = socket.address();
  socket.on("message", (bytes, from) => {
    const answer = answerTo(bytes, from, { clock, key, ownPort: own.port, admit, sessions });
    if (typeof answer === "string") counts[answer] += 1;
    else
      socket.send(answer, from.port, from.address, (error) => (counts[error === null ? "reflected" : "unsent"] += 1));
  });
  socket.on("error", (error) => {
    counts.socketErrors += 1;
    log.warn({ err: error }, "the socket reported an error");
  });

  const closed = once(socket, "close");
  let closing = false;
  return {
    address: { host: own.address, port: own.port },
    stats: () => ({
      ...counts,
      stateless: sessions.refusals(),
      sessions: sessions.size(),
      sourceEvictions: perSource.evictions,
    }),
    async close() {
      if (!closing) socket.close();
      closing = true;
      await closed;
    },
  };
}

interface Answering {
  readonly clock: Clock;
  readonly key: Uint8Array | undefined;
  readonly ownPort: number;
  readonly admit: (address: string, nowNs: number) => "admitted" | "limited" | "overloaded";
  readonly sessions: SessionTable;
}

/** The counter of each reason for which a datagram is no request. */
const COUNTERS = {
  short: "malformed",
  "error-estimate": "malformed",
  "timestamp-format": "malformed",
  unauthentic: "unauthentic",
  reply: "replies",
} as const satisfies Record<MalformedReason, Unanswered>;

/** Why a datagram is not answered, by the name of its counter. */
type Unanswered = "malformed" | "unauthentic" | "replies" | "wireguard" | "limited" | "overloaded" | RefusedPort;

/** The reply to a datagram, or the counter that says why there is none. */
function answerTo(
  bytes: Uint8Array,
  from: RemoteInfo,
  { clock, key, ownPort, admit, sessions }: Answering,
): Uint8Array | Unanswered {
  const receivedNs = clock.monotonicNs();
  if (looksLikeWireGuard(bytes)) return "wireguard";
  const refused = refusedPort(from.port, ownPort);
  if (refused !== undefined) return refused;
  // Before the HMAC is computed: the limit bounds what a flood costs.
  const admission = admit(from.address, receivedNs);
  if (admission !== "admitted") return admission;
  const request = decodeSender(bytes, key);
  if (request.kind === "malformed") return COUNTERS[request.reason];
  // The reply begins with our own number, or with the sender's, which a firewall must not take for WireGuard's either.
  const sequence = sessions.next(`${from.address} ${from.port}`, receivedNs) ?? request.packet.sequence;
  const receivedAt = ntpFromWallMs(clock.wallMs());
  const sentAt = addNs(receivedAt, clock.monotonicNs() - receivedNs);
  return asLongAs(encodeReflected(reflect(request.packet, receivedAt, sentAt, TTL_UNKNOWN, sequence), key), bytes);
}
