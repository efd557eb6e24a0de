/**
 * The measurements of one target over a period of time.
 *
 * 1. Merging windows in any order and grouping equals replaying their samples (W1): every field is a sum, a minimum, a
 *    maximum, or the greater of two under a total order.
 * 2. A sample belongs to the window in which it ended. Attempts that began and have not ended are in flight, and are
 *    counted (M3).
 * 3. Bounded: one count for each reason of a closed list, at most SKETCH_MAX_BUCKETS buckets, two remembered samples,
 *    and two of each of at most ADDRESSES_MAX addresses.
 */
import type { DirectionCounts, PhaseDurations, Reason } from "@lifeline/measure";
import { isFlawless, outcomeClassOf, reasonFacts } from "@lifeline/measure";
import { type AddressRuns, addressRunsOf, mergeAddressRuns, NO_ADDRESSES } from "./address-runs.ts";
import { type LossCount, wilsonInterval } from "./loss-ratio.ts";
import { latestSample, worseSample } from "./moment-order.ts";
import { type FollowedSample, runOf } from "./outcome-run.ts";
import { ifFlawed, type Remembered } from "./remembered.ts";
import { addSketch, bucketIndex, SKETCH_MAX_NS, type Sketch, sketchCount, sketchQuantileNs } from "./sketch.ts";

/** Length of a full window, ms; windows are aligned to multiples of it since the Unix epoch. */
export const WINDOW_MS = 10_000;

/** Durations of one phase, over the attempts that had it. */
export interface PhaseSum {
  readonly count: number;
  readonly sumNs: number;
  readonly maxNs: number;
}

/** The phases with a duration, named as in {@link PhaseDurations}. */
export const TIMED_PHASES = [
  "dnsNs",
  "connectNs",
  "tlsNs",
  "requestNs",
  "firstByteNs",
] as const satisfies readonly (keyof PhaseDurations)[];
export type TimedPhase = (typeof TIMED_PHASES)[number];

/** Round-trip times (RFC 2681) of the attempts that had one. */
export interface RttSummary {
  readonly sketch: Sketch;
  /** Exact least and greatest, ns; undefined without a sample. */
  readonly minNs: number | undefined;
  readonly maxNs: number | undefined;
  readonly sumNs: number;
  /** How many the kernel timed. Event-loop delay may have lengthened the others. */
  readonly kernelCount: number;
}

/** One target over one period. */
export interface Window {
  readonly targetId: string;
  /** Wall times, ms since the epoch, at which the window opened and was sealed. */
  readonly startMs: number;
  readonly endMs: number;
  /**
   * Attempts that began in this window. `counts` may differ: it leaves out attempts in flight at the end, and includes
   * those that began before the window opened.
   */
  readonly started: number;
  /** Scheduled attempts that could not begin. */
  readonly missedTicks: number;
  /** Attempts that ended in this window, by reason. */
  readonly counts: ReadonlyMap<Reason, number>;
  readonly rtt: RttSummary;
  readonly phases: ReadonlyMap<TimedPhase, PhaseSum>;
  /** Loss runs that began in this window, and the longest one in it, which may have begun earlier. */
  readonly lossBursts: number;
  readonly longestLossRun: number;
  /** Counts of each direction from numbered datagrams; all zero without them. */
  readonly directions: DirectionCounts;
  /**
   * The latest sample that was measured, by the time at which the attempt began. A sample that was not measured hides
   * no other (M3): it is kept only where none was.
   */
  readonly last: Remembered | undefined;
  /**
   * The latest failure, of the state that its run is in (outcome-run.ts). Where there is none: the latest answer that
   * was late or took a second SYN.
   */
  readonly lastBad: Remembered | undefined;
  /** What each address last showed, where the host has several that take turns. */
  readonly addresses: AddressRuns;
}

/** Nothing is known about either direction. */
export const NO_DIRECTIONS: DirectionCounts = {
  forwardSent: 0,
  forwardLost: 0,
  returnSent: 0,
  returnLost: 0,
  duplicates: 0,
  reordered: 0,
};

/** An empty window: the neutral element of {@link mergeWindows}, except for its times. */
export function emptyWindow(targetId: string, startMs: number, endMs: number): Window {
  return {
    targetId,
    startMs,
    endMs,
    started: 0,
    missedTicks: 0,
    counts: new Map(),
    rtt: { sketch: new Map(), minNs: undefined, maxNs: undefined, sumNs: 0, kernelCount: 0 },
    phases: new Map(),
    lossBursts: 0,
    longestLossRun: 0,
    directions: NO_DIRECTIONS,
    last: undefined,
    lastBad: undefined,
    addresses: NO_ADDRESSES,
  };
}

/** Merges two windows of one target (W1): commutative and associative. */
export function mergeWindows(a: Window, b: Window): Window {
  return mergeAllWindows(a, [b]);
}

/** Merges all fields of two windows except the maps, which are those of `a`. */
function mergeScalars(a: Window, b: Window): Window {
  return {
    targetId: a.targetId,
    startMs: Math.min(a.startMs, b.startMs),
    endMs: Math.max(a.endMs, b.endMs),
    started: a.started + b.started,
    missedTicks: a.missedTicks + b.missedTicks,
    counts: a.counts,
    rtt: {
      sketch: a.rtt.sketch,
      minNs: least(a.rtt.minNs, b.rtt.minNs),
      maxNs: greatest(a.rtt.maxNs, b.rtt.maxNs),
      sumNs: a.rtt.sumNs + b.rtt.sumNs,
      kernelCount: a.rtt.kernelCount + b.rtt.kernelCount,
    },
    phases: a.phases,
    lossBursts: a.lossBursts + b.lossBursts,
    longestLossRun: Math.max(a.longestLossRun, b.longestLossRun),
    directions: addDirections(a.directions, b.directions),
    last: latestSample(a.last, b.last),
    lastBad: worseSample(a.lastBad, b.lastBad),
    addresses: mergeAddressRuns(a.addresses, b.addresses),
  };
}

/**
 * Merges many windows in one pass. The result equals reducing them by {@link mergeWindows} from `neutral`, but the maps
 * are copied only once.
 */
export function mergeAllWindows(neutral: Window, windows: Iterable<Window>): Window {
  const sketch = new Map(neutral.rtt.sketch);
  const counts = new Map(neutral.counts);
  const phases = new Map(neutral.phases);
  let merged: Window = neutral;
  for (const window of windows) {
    addSketch(sketch, window.rtt.sketch);
    addCounts(counts, window.counts);
    addPhases(phases, window.phases);
    merged = mergeScalars(merged, window);
  }
  return { ...merged, counts, phases, rtt: { ...merged.rtt, sketch } };
}

/** The window of one finished attempt. */
export function windowOf(followed: FollowedSample, startMs: number, endMs: number): Window {
  const { sample, run, isOfState } = followed;
  const { reason } = sample.outcome;
  const lost = reasonFacts(reason).kind === "lost";
  const remembered = rememberedOf(followed);
  // Only an agent that was stopped for a minute measures more than the sketch holds. The wire would reject its whole
  // report.
  const rttNs = sample.rtt === undefined ? undefined : Math.min(sample.rtt.ns, SKETCH_MAX_NS);
  return {
    ...emptyWindow(sample.targetId, startMs, endMs),
    started: 1,
    counts: new Map([[reason, 1]]),
    rtt: {
      sketch: rttNs === undefined ? new Map() : new Map([[bucketIndex(rttNs), 1]]),
      minNs: rttNs,
      maxNs: rttNs,
      sumNs: rttNs ?? 0,
      kernelCount: sample.rtt?.source === "kernel" ? 1 : 0,
    },
    phases: phaseSums(sample.phases),
    lossBursts: lost && run.lossRun === 1 ? 1 : 0,
    longestLossRun: lost ? run.lossRun : 0,
    directions: sample.directions ?? NO_DIRECTIONS,
    last: remembered,
    lastBad: isOfState ? ifFlawed(remembered) : undefined,
    addresses: addressRunsOf(followed),
  };
}

/**
 * The window that notes how many attempts after `last` are watched; it counts none. `last` is the latest sample that
 * was measured, because one that was not hides no other (M3). Merged with the window of `last`, it gives the same
 * whatever the order (W1).
 */
export function watchedWindow(targetId: string, atMs: number, last: Remembered, addresses: AddressRuns): Window {
  return { ...emptyWindow(targetId, atMs, atMs), last, addresses };
}

/** What a window keeps of a sample. */
export function rememberedOf({ sample, run }: FollowedSample): Remembered {
  const { reason, phase } = sample.outcome;
  return { endedAtMs: sample.endedAtMs, reason, phase, run: runOf(run), evidence: sample.evidence };
}

/** Number of attempts that ended. */
export function endedCount(window: Window): number {
  let ended = 0;
  for (const count of window.counts.values()) ended += count;
  return ended;
}

/** Attempts by outcome kind, with the loss ratio and its interval. */
export function lossOf(window: Window): LossCount {
  const byKind = { answered: 0, rejected: 0, lost: 0, late: 0, silent: 0, "not-sent": 0, observed: 0 };
  for (const [reason, count] of window.counts) byKind[reasonFacts(reason).kind] += count;
  const { lost, late, silent } = byKind;
  const expected = byKind.answered + byKind.rejected + lost + late;
  return {
    ...endedAndFailed(window),
    sent: expected + silent,
    lost,
    late,
    silent,
    notSent: byKind["not-sent"],
    ratio: expected === 0 ? undefined : lost / expected,
    interval: wilsonInterval(lost, expected),
  };
}

function endedAndFailed({ counts }: Window): Pick<LossCount, "ended" | "failed"> {
  let ended = 0;
  let failed = 0;
  for (const [reason, count] of counts) {
    const outcomeClass = outcomeClassOf(reason);
    if (outcomeClass !== "good" && outcomeClass !== "bad") continue;
    ended += count;
    if (!isFlawless(reason)) failed += count;
  }
  return { ended, failed };
}

/** A quantile (0–1) of the round-trip time in ns, within the sketch's error and never outside the exact extremes. */
export function rttQuantileNs(window: Window, q: number): number | undefined {
  const { sketch, minNs, maxNs } = window.rtt;
  const estimateNs = sketchQuantileNs(sketch, q);
  if (estimateNs === undefined || minNs === undefined || maxNs === undefined) return undefined;
  return Math.min(Math.max(estimateNs, minNs), maxNs);
}

/** Number of round-trip times in the window. */
export function rttCount(window: Window): number {
  return sketchCount(window.rtt.sketch);
}

/** Adds the counts of two disjoint parts of a session. */
export function addDirections(a: DirectionCounts, b: DirectionCounts): DirectionCounts {
  if (b === NO_DIRECTIONS) return a;
  return {
    forwardSent: a.forwardSent + b.forwardSent,
    forwardLost: a.forwardLost + b.forwardLost,
    returnSent: a.returnSent + b.returnSent,
    returnLost: a.returnLost + b.returnLost,
    duplicates: a.duplicates + b.duplicates,
    reordered: a.reordered + b.reordered,
  };
}

function addCounts(into: Map<Reason, number>, from: Window["counts"]): void {
  for (const [reason, count] of from) into.set(reason, (into.get(reason) ?? 0) + count);
}

function addPhases(into: Map<TimedPhase, PhaseSum>, from: Window["phases"]): void {
  for (const [phase, sum] of from) {
    const before = into.get(phase);
    into.set(phase, before === undefined ? sum : addPhase(before, sum));
  }
}

function addPhase(a: PhaseSum, b: PhaseSum): PhaseSum {
  return { count: a.count + b.count, sumNs: a.sumNs + b.sumNs, maxNs: Math.max(a.maxNs, b.maxNs) };
}

function phaseSums(durations: PhaseDurations): Map<TimedPhase, PhaseSum> {
  const sums = new Map<TimedPhase, PhaseSum>();
  for (const phase of TIMED_PHASES) {
    const ns = durations[phase];
    if (ns !== undefined) sums.set(phase, { count: 1, sumNs: ns, maxNs: ns });
  }
  return sums;
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

function greatest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}
