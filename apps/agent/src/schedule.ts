/**
 * When to probe: pure arithmetic over monotonic nanoseconds.
 *
 * 1. Ticks stand on a grid `phase + k × interval`; the next one follows from the present alone, so nothing drifts and nothing
 *    is made up after a stall (M3).
 * 2. The phase is a hash of node and target: a fleet that starts together spreads evenly over a cadence (P1).
 * 3. A suspicious target is probed faster, for a bounded while and a bounded share of the time (P1).
 */
import { createHash } from "node:crypto";
import { NS_PER_MS, type ProbeOptions } from "@lifeline/measure";

/** Cadence of a suspicious target, ms: three samples confirm a turn within a second. */
export const FAST_CADENCE_MS = 250;

/** A suspicious target is probed at most this many times as often as its plan says (P1). */
export const FAST_FACTOR_MAX = 4;

/** How long a suspicious target stays fast after its run turned, ms. */
export const FAST_STRETCH_MS = 10_000;

/** Most fast stretches of one target within {@link FAST_STRETCHES_WITHIN_MS}: one that flaps is fast half of the time at most. */
export const FAST_STRETCHES_MAX = 3;

/** The time over which fast stretches are limited, ms. */
export const FAST_STRETCHES_WITHIN_MS = 60_000;

/** Bytes of the digest that make the phase: 48 bits, what a double holds exactly. */
const PHASE_BYTES = 6;

/** Where on its cadence a target's grid stands, ns from 0 to below the cadence; the same for the same node and target. */
export function phaseNs(nodeId: string, targetId: string, cadenceMs: number): number {
  const digest = createHash("sha256").update(nodeId).update("\0").update(targetId).digest();
  const share = digest.readUIntBE(0, PHASE_BYTES) / 2 ** (8 * PHASE_BYTES);
  return Math.floor(share * cadenceMs * NS_PER_MS);
}

/** The first tick of the grid strictly after `afterNs`. */
export function nextDueNs(afterNs: number, intervalNs: number, phase: number): number {
  return phase + (Math.floor((afterNs - phase) / intervalNs) + 1) * intervalNs;
}

/** A target's first attempt comes within this, ms, however slow its cadence: a row without a sample is an open question (M4). */
export const FIRST_TICK_WITHIN_MS = 5_000;

/** The first tick of a target that is new at `nowNs`: spread by its phase over {@link FIRST_TICK_WITHIN_MS}, or on the grid if sooner. */
export function firstDueNs(nowNs: number, intervalNs: number, phase: number): number {
  const onGridNs = nextDueNs(nowNs, intervalNs, phase);
  const withinNs = FIRST_TICK_WITHIN_MS * NS_PER_MS;
  return intervalNs <= withinNs ? onGridNs : Math.min(onGridNs, nowNs + 1 + (phase % withinNs));
}

/** Ticks of the grid from `dueNs` to `nowNs`, both included; 0 when the first is not due yet. */
export function ticksDue(dueNs: number, nowNs: number, intervalNs: number): number {
  return dueNs > nowNs ? 0 : 1 + Math.floor((nowNs - dueNs) / intervalNs);
}

/** A target's fast stretches. */
export interface Suspicion {
  /** Monotonic time until which the target is probed fast, ns. */
  readonly fastUntilNs: number;
  /** When the latest stretches began, ns, oldest first; at most {@link FAST_STRETCHES_MAX}. */
  readonly stretchesNs: readonly number[];
}

/** Nothing suspicious so far. */
export const UNSUSPICIOUS: Suspicion = { fastUntilNs: 0, stretchesNs: [] };

/**
 * Whether a suspicious target may be probed faster than its plan says. Not one that lives on ICMP errors, which Linux limits to about one
 * a second (RFC 4443 §2.4 f): asked faster, its own haste would look like loss. Not a search for the path's MTU, whose
 * attempt is many large datagrams.
 */
export function mayHasten(options: ProbeOptions): boolean {
  if (options.probe === "udp") return !options.expectRefusal;
  return options.probe !== "mtu";
}

/** The suspicion after something suspicious at `nowNs`: a new stretch, unless there have been too many of late. */
export function suspect(before: Suspicion, nowNs: number): Suspicion {
  const recent = before.stretchesNs.filter((startNs) => nowNs - startNs < FAST_STRETCHES_WITHIN_MS * NS_PER_MS);
  if (recent.length >= FAST_STRETCHES_MAX) return before;
  return { fastUntilNs: nowNs + FAST_STRETCH_MS * NS_PER_MS, stretchesNs: [...recent, nowNs] };
}

/** Time between attempts at `nowNs`, ms: the plan's, or the fast one while suspicion lasts. Never above the plan's. */
export function cadenceAt(cadenceMs: number, suspicion: Suspicion, nowNs: number): number {
  if (nowNs >= suspicion.fastUntilNs) return cadenceMs;
  return Math.min(cadenceMs, Math.max(FAST_CADENCE_MS, cadenceMs / FAST_FACTOR_MAX));
}
