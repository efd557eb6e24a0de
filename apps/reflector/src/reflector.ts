/**
 * A stateful STAMP Session-Reflector (RFC 8762 §4.3) on one UDP socket, for IPv4 and IPv6. It numbers its replies by
 * its own count, which shows a sender in which direction packets are lost.
 *
 * 1. Nothing is amplified. A reply is exactly as long as its request, is never fragmented by this host, and goes only
 *    to the source.
 * 2. Three kinds of datagram are never answered. What looks like WireGuard, because the reflector may share the
 *    SideroLink port and must not be taken for a peer. Replies of a reflector. And what comes from a port at which a
 *    service answers by itself (source-port.ts). So a datagram with a forged source cannot make two services answer
 *    each other.
 * 3. Without room for another session a reply is stateless: it copies the sender's number, which says that nothing was
 *    counted.
 * 4. Each source has a bounded share, in a bounded table. Each datagram is counted under exactly one outcome (S2).
 * 5. T3 − T2 is a monotonic duration: a step of the wall clock does not show in it (M2).
 */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Clock, IpFamily } from "@lifeline/measure";
import { datagramFd, openKernelClock } from "@lifeline/probe";
import type { Logger } from "pino";
import { Responder } from "./responder.ts";

/**
 * Requests answered a second for each source address, by default: 2,000, the budget of all agents together for an
 * in-tunnel endpoint (P1). A whole site may share one address behind NAT, and too low a limit would look like loss.
 */
export const MAX_PER_SOURCE_PER_SECOND = 2_000;

/**
 * Requests answered a second in all, by default: 20,000, twice what ten thousand nodes send at one a second. It bounds
 * what this host sends when sources are forged, each within its own share.
 */
const MAX_PER_SECOND = 20_000;

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
  /** Above the limit of the source. */
  readonly limited: number;
  /** Above the limit of all sources together. */
  readonly overloaded: number;
  /** Stateless replies, because the table of sessions was full; counted as reflected too. */
  readonly stateless: number;
  /** Sessions remembered now. */
  readonly sessions: number;
  /** Replies that the kernel did not send. */
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

/** Opens the socket and starts to answer. Rejects with the system's error (`code`) when it cannot listen. */
export async function startReflector(options: ReflectorOptions): Promise<Reflector> {
  const { host, port, clock, log, key, maxPerSourcePerSecond = MAX_PER_SOURCE_PER_SECOND } = options;
  const { maxPerSecond = MAX_PER_SECOND, maxSessions } = options;
  assert(maxPerSourcePerSecond >= 1, `maxPerSourcePerSecond is 1 or more, not ${maxPerSourcePerSecond}`);
  const socket = await listen(host, port);
  if (!forbidsFragments(socket, host)) {
    log.warn("this host cannot forbid fragments (koffi did not load): large replies do not test the return path");
  }
  const own = socket.address();
  const limits = { maxPerSourcePerSecond, maxPerSecond, maxSessions };
  const responder = new Responder({ clock, key, ownPort: own.port, ...limits });
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
  socket.on("message", (bytes, from) => {
    const answer = responder.answer(bytes, from);
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
    stats: () => ({ ...counts, ...responder.stats() }),
    async close() {
      if (!closing) socket.close();
      closing = true;
      await closed;
    },
  };
}

async function listen(host: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
  socket.bind({ address: host, port });
  await once(socket, "listening").catch((error: unknown) => {
    socket.close();
    throw error;
  });
  return socket;
}

/**
 * Forbids fragments, so that a large reply tests the return path as its request tested the forward path. False: this
 * host cannot.
 */
function forbidsFragments(socket: Socket, host: string): boolean {
  const fd = datagramFd(socket);
  const forbid = (family: IpFamily) => fd !== undefined && openKernelClock()?.forbidFragments(fd, family) === true;
  // A socket of IPv6 serves IPv4 as well.
  return isIPv6(host) ? forbid(6) && forbid(4) : forbid(4);
}
