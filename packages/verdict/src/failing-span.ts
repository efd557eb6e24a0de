/** The span from a target's first failure to its last, and what came after it. */
import { compareMoments, type Remembered, type Window } from "@lifeline/window";
import { conclusiveOf, endedOf, flawedGoodOf, flawedOf, sumOver } from "./attempt-counts.ts";

/** Attempts of a span. */
interface FailingSpan {
  /** Attempts from the first failure to the last, and how many of them failed. */
  readonly ended: number;
  readonly failed: number;
  /** Attempts in a row since, all of which passed. */
  readonly clean: number;
}

/**
 * The span in those windows of one target, in any order. The window of the first failure counts whole unless it ended
 * with it, because windows keep no order of their attempts.
 */
export function failingSpan(windows: readonly Window[]): FailingSpan {
  const inOrder = [...windows].sort((a, b) => a.endMs - b.endMs || a.startMs - b.startMs);
  const isFailing = (window: Window) => flawedOf(window) > 0;
  const first = inOrder.findIndex(isFailing);
  if (first === -1) return { ended: 0, failed: 0, clean: 0 };
  const last = inOrder.findLastIndex(isFailing);
  const span = inOrder.slice(first, last + 1);
  const failed = sumOver(span, flawedOf);
  const before = answersBefore(inOrder[first] as Window);
  const after = cleanIn(inOrder[last] as Window);
  const ended = sumOver(span, conclusiveOf) - before - after;
  return { ended: Math.max(failed, ended), failed, clean: after + sumOver(inOrder.slice(last + 1), conclusiveOf) };
}

/** Answers before the failures that end the window; 0 where it is not known that they came before. */
function answersBefore(window: Window): number {
  const failed = flawedOf(window);
  const endsFailing = window.last?.run.outcomeClass === "bad" && window.last.run.length === failed;
  return endsFailing ? conclusiveOf(window) - failed : 0;
}

/** Attempts of the window after its last failure. */
function cleanIn(window: Window): number {
  const { last, lastBad } = window;
  if (last === undefined || last.run.outcomeClass !== "good") return 0;
  if (lastBad === undefined || !isSameRun(last, lastBad)) {
    // A late answer after the failure that the window keeps may stand anywhere in its last run.
    if (flawedGoodOf(window) > 0) return 0;
    return Math.min(last.run.length, endedOf(window, "good"));
  }
  return compareMoments(last, lastBad) > 0 ? last.run.length - lastBad.run.length : 0;
}

function isSameRun(a: Remembered, b: Remembered): boolean {
  return a.run.ordinal === b.run.ordinal;
}
