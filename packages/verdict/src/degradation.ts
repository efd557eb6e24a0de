/** Whether failures that come and go degrade a target that answers. */
import { isSilence, outcomeClassOf, type Reason, reasonFacts } from "@lifeline/measure";
import { binomialTail, compareMoments, lossOf, type Remembered, type Window, wilsonInterval } from "@lifeline/window";
import { conclusiveOf, endedOf, flawedOf } from "./attempt-counts.ts";
import { isOver, type JudgedWindows } from "./judged-windows.ts";
import type { PreviousVerdict } from "./row.ts";
import { badRunCount } from "./streak.ts";
import type { Thresholds } from "./thresholds.ts";

/** What degrades a target. */
export interface Degradation {
  readonly reason: Reason;
  /** The latest sample that shows it. */
  readonly seen: Remembered | undefined;
  /** Wall time of the start of the earliest window with a failure, ms since the epoch. */
  readonly onsetMs: number;
}

/** What degrades a target by those windows and their merge; undefined: nothing does. Pure. */
export function degradationOf(
  judged: JudgedWindows,
  lookback: Window,
  thresholds: Thresholds,
  previous: PreviousVerdict | undefined,
): Degradation | undefined {
  const { windows } = judged;
  const reason = degradedBy(judged, lookback, thresholds) ?? stillDegradedBy(windows, previous);
  if (reason === undefined || isOver(windows, thresholds) || wasMet(windows, previous)) return undefined;
  const starts = windows.filter((window) => flawedOf(window) > 0).map(({ startMs }) => startMs);
  return { reason, seen: latestFlawed(windows, (seen) => seen.reason === reason), onsetMs: Math.min(...starts) };
}

/**
 * The reason that degrades a target whose streak is good. Unanswered attempts degrade when chance does not explain
 * them. Rejections degrade when they come and go, which takes two runs at least: a single run that has ended is an
 * outage that is over.
 */
function degradedBy(
  { windows, lateOfOutage }: JudgedWindows,
  lookback: Window,
  thresholds: Thresholds,
): Reason | undefined {
  const { lost, late } = lossOf(lookback);
  const synLost = lookback.counts.get("syn-lost") ?? 0;
  const unresolved = lookback.counts.get("dns-timeout") ?? 0;
  const badRuns = badRunCount(windows);
  const ended = conclusiveOf(lookback);
  // Attempts of one run may share one lost DNS query: at most as many queries were lost as there were runs.
  const unanswered = lost + late - lateOfOutage + Math.min(unresolved, badRuns);
  const { toleratedLossRatio, chanceMin, proofRunLength } = thresholds;
  const neverInTime = late + synLost - lateOfOutage >= proofRunLength && flawedOf(lookback) === ended;
  if (neverInTime || binomialTail(unanswered, ended, toleratedLossRatio) < chanceMin) {
    if (unresolved > lost + late) return "dns-timeout";
    if (lost < late) return "late";
    return synLost === lost ? "syn-lost" : "timeout";
  }
  const rejected = endedOf(lookback, "bad") - (lost - synLost) - unresolved;
  return badRuns >= 2 && comesAndGoes(rejected, ended, thresholds) ? mostFrequentRejection(lookback) : undefined;
}

/**
 * The reason of a target that was degraded by it, and still fails at times. Only a clean run or a clean lookback ends
 * that, not a figure that has fallen below the one that began it.
 */
function stillDegradedBy(windows: readonly Window[], previous: PreviousVerdict | undefined): Reason | undefined {
  if (previous?.verdict !== "degraded") return undefined;
  const reason = latestFlawed(windows, () => true)?.reason;
  if (reason === undefined) return undefined;
  const { cause } = reasonFacts(reason);
  return previous.cause === cause || (previous.cause === "loss" && isSilence(reason)) ? reason : undefined;
}

/**
 * Whether the target was met with all of its failures known. Good attempts that leave the lookback raise the ratio of
 * the failures that stay. They are no news.
 */
function wasMet(windows: readonly Window[], previous: PreviousVerdict | undefined): boolean {
  if (previous?.verdict !== "met" || previous.onsetMs === undefined) return false;
  return (latestFlawed(windows, () => true)?.endedAtMs ?? 0) <= previous.onsetMs;
}

function latestFlawed(windows: readonly Window[], isWanted: (seen: Remembered) => boolean): Remembered | undefined {
  const flawed = windows.flatMap(({ lastBad }) => (lastBad !== undefined && isWanted(lastBad) ? [lastBad] : []));
  return flawed.toSorted(compareMoments).at(-1);
}

function comesAndGoes(rejected: number, ended: number, { rejectedRatio, rejectedMin }: Thresholds): boolean {
  return rejected >= rejectedMin && wilsonInterval(Math.min(rejected, ended), ended)[0] > rejectedRatio;
}

function mostFrequentRejection(window: Window): Reason | undefined {
  const rejections = [...window.counts].filter(([reason]) => outcomeClassOf(reason) === "bad" && !isSilence(reason));
  return rejections.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))[0]?.[0];
}
