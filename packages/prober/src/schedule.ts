/**
 * When to probe: pure arithmetic over monotonic nanoseconds.
 *
 * 1. Ticks lie on a grid `phase + k × interval`. The next tick follows from the present alone, so ticks do not drift,
 *    and ticks missed in a stall are not made up (M3).
 * 2. The phase is a hash of node and target, so a fleet that starts together spreads evenly over a cadence (P1).
 * 3. A target that needs confirmation is probed in a burst: faster, for a bounded time and a bounded share of the time
 *    (P1).
 */
import { createHash } from "node:crypto";
import { BURST_FACTOR_MAX, NS_PER_MS, type ProbeOptions, type Target } from "@lifeline/measure";

/** Cadence within a burst, ms: three samples confirm a turn within a second. */
export const BURST_CADENCE_MS = 250;

/**
 * Cadence of a time server within a burst, ms. Its packets are 2 s apart at least. Two targets at one server, one with
 * NTP and one with NTS, then take turns.
 */
export const TIME_BURST_CADENCE_MS = 4_000;

/** Length of a burst, ms. */
export const BURST_MS = 10_000;

/**
 * Most bursts of one target within {@link BURSTS_WITHIN_MS}: a target that flaps is in a burst half of the time at
 * most.
 */
export const BURSTS_MAX = 3;

/** The time over which bursts are limited, ms. */
export const BURSTS_WITHIN_MS = 60_000;

/** Bytes of the digest that make the phase: 48 bits, which a double holds exactly. */
const PHASE_BYTES = 6;

/** Offset of a target's grid within its cadence, ns from 0 to below the cadence. Depends on node and target only. */
export function phaseNs(nodeId: string, targetId: string, cadenceMs: number): number {
  const digest = createHash("sha256").update(nodeId).update("\0").update(targetId).digest();
  const share = digest.readUIntBE(0, PHASE_BYTES) / 2 ** (8 * PHASE_BYTES);
  return Math.floor(share * cadenceMs * NS_PER_MS);
}

/** The first tick of the grid strictly after `afterNs`. */
export function nextDueNs(afterNs: number, intervalNs: number, phase: number): number {
  return phase + (Math.floor((afterNs - phase) / intervalNs) + 1) * intervalNs;
}

/**
 * A target's first attempt comes within this by default, ms, however slow its cadence: a row without a sample is
 * unknown (M4).
 */
export const FIRST_TICK_WITHIN_MS = 5_000;

/**
 * The first tick of a target that is new at `nowNs`: spread by phase over `withinMs`, or on the grid if sooner. The
 * ticks after it are on the grid.
 */
export function firstDueNs(
  nowNs: number,
  intervalNs: number,
  phase: number,
  withinMs: number = FIRST_TICK_WITHIN_MS,
): number {
  const onGridNs = nextDueNs(nowNs, intervalNs, phase);
  const withinNs = withinMs * NS_PER_MS;
  return intervalNs <= withinNs ? onGridNs : Math.min(onGridNs, nowNs + 1 + (phase % withinNs));
}

/** Ticks of the grid from `dueNs` to `nowNs`, both included; 0 when the first is not due yet. */
export function ticksDue(dueNs: number, nowNs: number, intervalNs: number): number {
  return dueNs > nowNs ? 0 : 1 + Math.floor((nowNs - dueNs) / intervalNs);
}

/** A target's bursts. */
export interface Bursts {
  /** Monotonic time at which the latest burst ends, ns. */
  readonly untilNs: number;
  /** When the latest bursts began, ns, oldest first; at most {@link BURSTS_MAX}. */
  readonly startsNs: readonly number[];
}

/** No burst so far. */
export const NO_BURSTS: Bursts = { untilNs: 0, startsNs: [] };

/**
 * Whether a target may be probed in bursts. False for a target that is answered by ICMP errors: Linux limits those to
 * about one a second (RFC 4443 §2.4 f), so a burst would look like loss. False for a search of the path's MTU, whose
 * attempt is many large datagrams.
 */
export function mayBurst(options: ProbeOptions): boolean {
  if (options.probe === "udp") return !options.expectRefusal;
  return options.probe !== "mtu";
}

/**
 * Whether `other` is attempted at once when `target` turns: the smaller datagram to the same port, without which the
 * loss of the larger one says nothing about its size. One attempt more for each turn is within the six ICMP errors that
 * Linux allows at once (XRLIM_BURST_FACTOR of net/ipv4/inetpeer.c).
 */
export function isComparedWith(target: Target, other: Target): boolean {
  const [larger, smaller] = [target.options, other.options];
  if (larger.probe !== "udp" || smaller.probe !== "udp") return false;
  const areRefused = larger.expectRefusal && smaller.expectRefusal;
  return areRefused && other.host === target.host && smaller.payloadBytes < larger.payloadBytes;
}

/** The bursts after one more was requested at `nowNs`; unchanged when there were {@link BURSTS_MAX} of late. */
export function startBurst(before: Bursts, nowNs: number): Bursts {
  const recent = before.startsNs.filter((startNs) => nowNs - startNs < BURSTS_WITHIN_MS * NS_PER_MS);
  if (recent.length >= BURSTS_MAX) return before;
  return { untilNs: nowNs + BURST_MS * NS_PER_MS, startsNs: [...recent, nowNs] };
}

/** Time between attempts at `nowNs`, ms: the plan's, or the burst's while one lasts. Never above the plan's. */
export function cadenceAt(
  { cadenceMs, options }: Pick<Target, "cadenceMs" | "options">,
  bursts: Bursts,
  nowNs: number,
): number {
  if (nowNs >= bursts.untilNs) return cadenceMs;
  // At rest a time server is asked so rarely that a quarter of its cadence would confirm nothing within a minute.
  if (asksTime(options)) return Math.min(cadenceMs, TIME_BURST_CADENCE_MS);
  return Math.min(cadenceMs, Math.max(BURST_CADENCE_MS, cadenceMs / BURST_FACTOR_MAX));
}

/** Whether a target is a time server, which has manners of its own. */
export function asksTime({ probe }: ProbeOptions): boolean {
  return probe === "ntp" || probe === "nts";
}
