/** The windows by which a target that answers is judged: those after the failures that are over. */
import { BURST_FACTOR_MAX, LATE_WATCH_MS, type Target } from "@lifeline/measure";
import { cleanRunChance, type Remembered, type Window } from "@lifeline/window";
import type { AddressStates } from "./address-states.ts";
import { flawedGoodOf, flawedOf, sumOver } from "./attempt-counts.ts";
import { failingSpan } from "./failing-span.ts";
import { badRunCount, type Streak } from "./streak.ts";
import type { Thresholds } from "./thresholds.ts";

/** The windows by which a working target is judged. */
export interface JudgedWindows {
  readonly windows: readonly Window[];
  /**
   * How many of their late answers may be the outage's: its last attempts are still watched when the path works again,
   * and are answered late or by their second SYN. They are no fault of their own.
   */
  readonly lateOfOutage: number;
}

/** Those of `recent`, which ended within the lookback, that count. Their order is irrelevant. Pure. */
export function judgedWindows(
  target: Target,
  recent: readonly Window[],
  streak: Streak,
  addresses: AddressStates | undefined,
  thresholds: Thresholds,
): JudgedWindows {
  return sinceRecovery(target, sinceClean(recent, thresholds), streak, addresses);
}

/**
 * The windows after the latest failures that are over. One more failure does not bring them back: it may be of another
 * kind, and they had their verdict and their incident.
 */
function sinceClean(recent: readonly Window[], thresholds: Thresholds): readonly Window[] {
  const inOrder = recent.toSorted((a, b) => a.endMs - b.endMs || a.startMs - b.startMs);
  let first = 0;
  for (const [at, window] of inOrder.entries()) {
    if (flawedOf(window) === 0) continue;
    const before = inOrder.slice(first, at);
    if (isOver(before, thresholds)) first += before.findLastIndex((one) => flawedOf(one) > 0) + 1;
  }
  return first === 0 ? recent : inOrder.slice(first);
}

/**
 * The windows after the latest outage. That outage already had its verdict and its incident. Windows seal at the turn
 * (W2), so none mixes the outage with what came after. Where the lookback has several failures beside the outage, all
 * are part of one fault that comes and goes.
 */
function sinceRecovery(
  target: Target,
  recent: readonly Window[],
  streak: Streak,
  addresses: AddressStates | undefined,
): JudgedWindows {
  const since = recent.filter(({ startMs }) => startMs >= (addresses?.recoveredAtMs ?? 0));
  const judged = since.length > 0 ? since : recent;
  if (streak.kind !== "good" || streak.outageOrdinal === undefined) return { windows: judged, lateOfOutage: 0 };
  const { outageOrdinal } = streak;
  const isLater = (seen: Remembered | undefined) => seen !== undefined && seen.run.ordinal > outageOrdinal;
  const ended = judged.filter(({ last }) => isLater(last)).toSorted((a, b) => a.startMs - b.startMs);
  const after = ended.filter(({ lastBad }) => lastBad === undefined || isLater(lastBad));
  const lateOfOutage = lateAfter(target, ended);
  const lateBefore = lateOfEarlier(target, judged, outageOrdinal);
  if (failuresBesideOutage(judged) - lateOfOutage - lateBefore > 1) return { windows: judged, lateOfOutage: 0 };
  // One window may hold both the end of the outage and everything after it. It cannot be divided.
  if (after.length === 0) return { windows: judged, lateOfOutage: 0 };
  return { windows: after, lateOfOutage: Math.min(lateOfOutage, sumOver(after, flawedGoodOf)) };
}

/** The windows that the turn and its confirmation sealed, and the one after them. */
const RECOVERY_WINDOWS = 3;

/** Late answers of an outage, in the windows of the good run after it, oldest first. */
function lateAfter(target: Target, ended: readonly Window[]): number {
  return Math.min(sumOver(ended.slice(0, RECOVERY_WINDOWS), flawedGoodOf), watchedMost(target));
}

/** Late answers of the outages before the latest one. */
function lateOfEarlier(target: Target, judged: readonly Window[], outageOrdinal: number): number {
  const runs = new Set(
    judged.flatMap(({ lastBad }) => (lastBad?.run.outcomeClass === "bad" ? lastBad.run.ordinal : [])),
  );
  runs.delete(outageOrdinal);
  const inOrder = judged.toSorted((a, b) => a.startMs - b.startMs);
  return [...runs].reduce((late, ordinal) => {
    const after = inOrder.filter(({ last }) => last?.run.ordinal === ordinal + 1);
    return late + lateAfter(target, after);
  }, 0);
}

/** Failures of their own beside one outage: other bad runs, and answers that were late or took a second SYN. */
function failuresBesideOutage(recent: readonly Window[]): number {
  return badRunCount(recent) - 1 + sumOver(recent, flawedGoodOf);
}

/** How many attempts of a target may be watched at once: each for its threshold and {@link LATE_WATCH_MS}. */
function watchedMost({ timeoutMs, cadenceMs }: Target): number {
  return Math.ceil(((timeoutMs + LATE_WATCH_MS) * BURST_FACTOR_MAX) / cadenceMs);
}

/** Whether so many attempts have passed since the last failure that the path no longer is what it was. */
export function isOver(judged: readonly Window[], { clearedChance }: Thresholds): boolean {
  const { failed, ended, clean } = failingSpan(judged);
  return clean > 0 && cleanRunChance(failed, ended, clean) < clearedChance;
}
