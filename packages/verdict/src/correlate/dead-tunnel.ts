/** Since when nothing is answered through the tunnel, and what is known of it. */
import { type Entry, hasAnsweredSince, isAt } from "../entry.ts";
import { stateSinceMs } from "./onset.ts";
import { isLost, payloadBytesOf } from "./tunnel-probe.ts";

/** How long a datagram may take to arrive, ms: one that left before the onset arrives by then. */
export const IN_FLIGHT_MS = 1_000;

/** A tunnel in which no probe is answered. Times are ms since the epoch. */
export interface DeadTunnel {
  readonly sinceMs: number;
  /** A time at which it still worked, not after `sinceMs`. Undefined: no sample shows that it ever did. */
  readonly workedAtMs: number | undefined;
  /** Whether Omni's own packets came through it while it answered no probe: the return path is open. */
  readonly isReceiving: boolean;
}

/** The dead tunnel of a node; undefined: something is answered, or there is no evidence. */
export function deadTunnelOf(entries: readonly Entry[]): DeadTunnel | undefined {
  const sinceMs = deadSinceMs(entries);
  if (sinceMs === undefined) return undefined;
  const atMs = workedAtMs(entries);
  return {
    sinceMs,
    workedAtMs: atMs && Math.min(sinceMs, atMs),
    isReceiving: entries.some((entry) => isDeathSign(entry) && isOneWay(entry)),
  };
}

/** A time at which a probe through the tunnel was answered, ms since the epoch; undefined: none is known. */
export function workedAtMs(entries: readonly Entry[]): number | undefined {
  const answered = entries.flatMap((entry) => (isAt(entry, "in-tunnel") ? (entry.own.answeredAtMs ?? []) : []));
  return answered.length === 0 ? undefined : Math.max(...answered);
}

/**
 * Since when no probe is answered through the tunnel, ms since the epoch. Undefined: one is, or there is no evidence,
 * as on a node without a tunnel, whose probes say nothing about it.
 */
export function deadSinceMs(entries: readonly Entry[]): number | undefined {
  const signs = entries.filter(isDeathSign);
  if (signs.length === 0 || entries.some(isNodeEndFault)) return undefined;
  const onsetMs = Math.min(...signs.map(stateSinceMs));
  const latestMs = Math.max(...signs.map(stateSinceMs));
  const inside = entries.filter((entry) => isAt(entry, "in-tunnel"));
  return inside.some((entry) => hasAnsweredSince(entry, latestMs + IN_FLIGHT_MS)) ? undefined : onsetMs;
}

/** Whether the node's own end of the tunnel is missing: the interface, or its address. */
export function isNodeEndFault(entry: Entry): boolean {
  const isAbsent = entry.cause === "not-joined" || entry.cause === "ipv6-disabled";
  return isAt(entry, "tunnel-link") && entry.verdict === "unmet" && isAbsent;
}

/**
 * Loss inside the tunnel or a frozen interface is a sign. The loss of large datagrams is none: it may be the path MTU.
 */
function isDeathSign(entry: Entry): boolean {
  if (entry.verdict !== "unmet") return false;
  if (isAt(entry, "tunnel-link")) return entry.own.reason === "link-frozen";
  const isSmall = entry.target.options.probe === "tcp" || (payloadBytesOf(entry.target) ?? Infinity) < LARGE_BYTES;
  return isAt(entry, "in-tunnel") && isSmall && isLost(entry);
}

/**
 * A datagram with this payload or more is large, bytes. Smaller ones pass on any path: least IPv6 MTU 1,280 − 80
 * (WireGuard) − 48 (headers).
 */
const LARGE_BYTES = 1_152;

/**
 * Whether the tunnel received packets during two attempts of the run that were lost. One proves nothing: packets may
 * come in the first attempt of an outage before it begins, and in the last one when it is over.
 */
function isOneWay({ own: { lookback, runLength, seen } }: Entry): boolean {
  const oneWay = lookback.counts.get("tunnel-one-way") ?? 0;
  const lost = oneWay + (lookback.counts.get("timeout") ?? 0);
  // Attempts that are still watched belong to the run and are not counted yet.
  const ofRun = Math.min(runLength, seen?.run.length ?? runLength);
  return oneWay - Math.max(0, lost - ofRun) > 1;
}
