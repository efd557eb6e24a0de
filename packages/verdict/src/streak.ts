/**
 * The deciding run of a target, from its windows alone.
 *
 * 1. A run decides only when it is long enough. Until then the run before it decides.
 * 2. Attempts that were not measured neither extend nor end a run (M3).
 * 3. Silence of a peer that need not answer ends a run once it has lasted (outcome-run.ts). Then nothing is known (M4).
 * 4. The order of the windows is irrelevant (W1).
 */
import { isSilence, type OutcomeClass, outcomeClassOf, type Reason, reasonFacts } from "@lifeline/measure";
import { cleanRunChance, compareContent, lengthWithWatched, type Remembered, type Window } from "@lifeline/window";
import { recoveryMaxOf, type Thresholds } from "./thresholds.ts";

/** The run that decides. */
export type Streak =
  | {
      readonly kind: "good";
      readonly sinceMs: number;
      readonly runLength: number;
      /** Ordinal of the latest outage that the windows remember; undefined: none. */
      readonly outageOrdinal: number | undefined;
    }
  | {
      readonly kind: "bad";
      readonly sinceMs: number;
      readonly runLength: number;
      readonly reason: Reason;
      /** The latest bad sample of the run's present state, which has its own start and length. */
      readonly seen: Remembered;
    }
  /** Bad samples only, and too few of them. */
  | { readonly kind: "unconfirmed"; readonly reason: Reason; readonly seen: Remembered }
  /** The peer need not answer, and did not. */
  | { readonly kind: "silent"; readonly sinceMs: number }
  /** No attempt was measured. */
  | { readonly kind: "inconclusive" };

/** A run as far as windows remember it. */
interface KnownRun {
  readonly ordinal: number;
  readonly outcomeClass: OutcomeClass;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly length: number;
  /** The latest bad sample of the run's present state. */
  readonly seen: Remembered | undefined;
}

/** The streak after `windows` of one target with that cadence. Their order is irrelevant. */
export function streakOf(windows: readonly Window[], thresholds: Thresholds, cadenceMs: number): Streak {
  const runs = knownRuns(windows);
  const current = runs[0];
  if (current === undefined) return { kind: "inconclusive" };
  if (current.outcomeClass === "silent") return { kind: "silent", sinceMs: current.startedAtMs };
  const anyBad = runs.some(({ outcomeClass }) => outcomeClass === "bad");
  for (const [at, run] of runs.entries()) {
    // What was before the silence is over, and too little is known of what came after it.
    if (run.outcomeClass === "silent") return undecided([], runs.slice(0, at), current, thresholds);
    const wanted = recoveryLength(runs.slice(at + 1), thresholds, recoveryMaxOf(thresholds, cadenceMs));
    if (run.outcomeClass === "good" && (run.length >= wanted || !anyBad)) return goodFrom(run, runs, thresholds);
    if (isOutage(run, thresholds)) return badFrom(run, run.seen);
  }
  return undecided(windows, runs, current, thresholds);
}

/** How many bad runs the windows remember. Two or more mean that the fault comes and goes. */
export function badRunCount(windows: readonly Window[]): number {
  return knownRuns(windows).filter(({ outcomeClass }) => outcomeClass === "bad").length;
}

/** Share of packets that a path may lose and still have a run of losses by chance. */
const HEAVY_LOSS_RATIO = 0.5;

/**
 * Good samples in a row that end the outage before. After a short run of losses it takes more of them, because a path
 * that loses at random has such runs too. `before`: the earlier runs, latest first.
 */
function recoveryLength(before: readonly KnownRun[], thresholds: Thresholds, max: number): number {
  const { recoveryRunLength, clearedChance } = thresholds;
  const recovered = before.findIndex(({ outcomeClass, length }) => outcomeClass === "good" && length >= max);
  const since = recovered === -1 ? before : before.slice(0, recovered);
  const outage = since.findLastIndex((run) => isOutage(run, thresholds) && isSilence(run.seen.reason));
  if (outage === -1 || HEAVY_LOSS_RATIO ** (since[outage]?.length ?? 0) < clearedChance) return recoveryRunLength;
  const failing = since.slice(0, outage + 1);
  const ended = lengthOf(failing);
  const failed = lengthOf(failing.filter(({ outcomeClass }) => outcomeClass === "bad"));
  let length = recoveryRunLength;
  while (length < max && cleanRunChance(failed, ended, length) >= clearedChance) length += 1;
  return length;
}

function lengthOf(runs: readonly KnownRun[]): number {
  return runs.reduce((total, { length }) => total + length, 0);
}

function confirmation(reason: Reason, thresholds: Thresholds): number {
  return isSilence(reason) ? thresholds.lossRunLength : thresholds.proofRunLength;
}

/** No run is long enough. Any answer shows that the path works; without one, a few failures are enough. */
function undecided(
  windows: readonly Window[],
  runs: readonly KnownRun[],
  current: KnownRun,
  thresholds: Thresholds,
): Streak {
  const good = runs.find(({ outcomeClass }) => outcomeClass === "good");
  if (good !== undefined) return goodFrom(good, runs, thresholds);
  const answered = windows.some((window) => answeredOf(window) > 0);
  if (answered) {
    const sinceMs = windows.reduce((least, window) => Math.min(least, window.startMs), current.startedAtMs);
    return { kind: "good", sinceMs, runLength: 1, outageOrdinal: undefined };
  }
  if (current.seen === undefined) return { kind: "inconclusive" };
  if (current.length >= thresholds.proofRunLength) return badFrom(current, current.seen);
  return { kind: "unconfirmed", reason: current.seen.reason, seen: current.seen };
}

function goodFrom(run: KnownRun, runs: readonly KnownRun[], thresholds: Thresholds): Streak {
  const outageOrdinal = runs.find((other) => isOutage(other, thresholds))?.ordinal;
  return { kind: "good", sinceMs: run.startedAtMs, runLength: run.length, outageOrdinal };
}

/** Whether a run is bad and long enough to prove an outage. */
function isOutage(run: KnownRun, thresholds: Thresholds): run is KnownRun & { readonly seen: Remembered } {
  if (run.outcomeClass !== "bad" || run.seen === undefined) return false;
  if (run.length < confirmation(run.seen.reason, thresholds)) return false;
  return run.seen.reason !== "dns-timeout" || run.endedAtMs - run.startedAtMs >= thresholds.sharedQueryMs;
}

function badFrom(run: KnownRun, seen: Remembered): Streak {
  return { kind: "bad", sinceMs: run.startedAtMs, runLength: run.length, reason: seen.reason, seen };
}

/** Every conclusive run that the windows remember, latest first. */
function knownRuns(windows: readonly Window[]): KnownRun[] {
  const runs = new Map<string, KnownRun>();
  for (const window of windows) {
    const { last, lastBad } = window;
    if (last !== undefined) addRun(runs, knownRun(last, undefined));
    if (lastBad?.run.outcomeClass === "bad") addRun(runs, knownRun(lastBad, lastBad));
    const before = goodRunBefore(window);
    if (before !== undefined) addRun(runs, before);
  }
  return joinedOverRestarts([...runs.values()].sort(latestFirst));
}

/**
 * The runs, with a bad one that an agent began with as part of the bad one before. An agent that starts again knows
 * nothing of the run that it was in, and an outage goes on meanwhile. `runs`: latest first.
 */
function joinedOverRestarts(runs: readonly KnownRun[]): KnownRun[] {
  const joinedRuns: KnownRun[] = [];
  for (const run of [...runs].reverse()) {
    const before = joinedRuns.at(-1);
    const isFirst = run.ordinal === Math.round(run.startedAtMs);
    const goesOn = isFirst && run.outcomeClass === "bad" && before?.outcomeClass === "bad";
    if (goesOn) joinedRuns[joinedRuns.length - 1] = continuedBy(before, run);
    else joinedRuns.push(run);
  }
  return joinedRuns.reverse();
}

/** Two bad runs as one: the later one, with the start and the length of both. */
function continuedBy(before: KnownRun, run: KnownRun): KnownRun {
  const length = before.length + run.length;
  const { startedAtMs } = before;
  if (run.seen === undefined || before.seen === undefined) return { ...run, startedAtMs, length };
  const was = before.seen.run;
  const whole = { ...run.seen.run, startedAtMs, length: was.length + run.seen.run.length };
  const isSameState = isSameFailure(before.seen.reason, run.seen.reason);
  const state = isSameState
    ? { stateStartedAtMs: was.stateStartedAtMs, stateLength: was.stateLength + whole.stateLength }
    : {};
  return { ...run, startedAtMs, length, seen: { ...run.seen, run: { ...whole, ...state } } };
}

/** A loss is one state, whatever else the tunnel received meanwhile. */
function isSameFailure(a: Reason, b: Reason): boolean {
  const lost: readonly Reason[] = ["timeout", "tunnel-one-way"];
  return a === b || (lost.includes(a) && lost.includes(b));
}

function knownRun({ run, endedAtMs }: Remembered, seen: Remembered | undefined): KnownRun {
  const { ordinal, outcomeClass, startedAtMs } = run;
  return { ordinal, outcomeClass, startedAtMs, length: lengthWithWatched(run), endedAtMs, seen };
}

function addRun(runs: Map<string, KnownRun>, run: KnownRun): void {
  if (run.outcomeClass === "inconclusive") return;
  const key = `${run.outcomeClass} ${run.ordinal}`;
  const before = runs.get(key);
  runs.set(key, before === undefined ? run : joined(before, run));
}

function joined(a: KnownRun, b: KnownRun): KnownRun {
  const seen = a.seen === undefined || (b.seen !== undefined && isLater(b.seen, a.seen)) ? b.seen : a.seen;
  // One of the two may be an estimate from the counts of a window: the earlier start counts, in any order.
  const startedAtMs = Math.min(a.startedAtMs, b.startedAtMs);
  const endedAtMs = Math.max(a.endedAtMs, b.endedAtMs);
  return { ...a, startedAtMs, endedAtMs, length: Math.max(a.length, b.length), seen };
}

/**
 * The good run before the bad run that ends a window, because a window remembers only its latest sample. A window that
 * sealed at the turn (W2) holds no other failures, so all its answers are that run. Otherwise b failures split g
 * answers into at most b + 1 runs, and the longest has at least ⌈g ⁄ (b + 1)⌉.
 */
function goodRunBefore(window: Window): KnownRun | undefined {
  const { startMs, last, counts } = window;
  const answered = answeredOf(window);
  if (last === undefined || last.run.outcomeClass !== "bad" || answered === 0) return undefined;
  let failed = 0;
  for (const [reason, count] of counts) if (outcomeClassOf(reason) === "bad") failed += count;
  const length = failed === last.run.length ? answered : Math.ceil(answered / (failed + 1));
  const endedAtMs = last.run.startedAtMs;
  // The ordinal of the good run itself, if a window remembers it.
  const ordinal = last.run.ordinal - 1;
  return {
    ordinal,
    outcomeClass: "good",
    startedAtMs: Math.min(startMs, endedAtMs),
    endedAtMs,
    length,
    seen: undefined,
  };
}

/** How many attempts were answered, in time or late. */
function answeredOf({ counts }: Window): number {
  let answered = 0;
  for (const [reason, count] of counts) {
    if (outcomeClassOf(reason) === "good" && reasonFacts(reason).kind !== "observed") answered += count;
  }
  return answered;
}

/** The later ordinal first. With equal ordinals: the one that ended later, then the bad one. */
function latestFirst(a: KnownRun, b: KnownRun): number {
  if (a.ordinal !== b.ordinal) return b.ordinal - a.ordinal;
  if (a.endedAtMs !== b.endedAtMs) return b.endedAtMs - a.endedAtMs;
  return a.outcomeClass < b.outcomeClass ? -1 : 1;
}

/** Within a run the longer one is later. The end does not show it: a loss ends a whole threshold after it began. */
function isLater(a: Remembered, b: Remembered): boolean {
  if (a.run.length !== b.run.length) return a.run.length > b.run.length;
  return compareContent(a, b) > 0;
}
