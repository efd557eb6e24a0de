/** Counts of a window's attempts by what they showed. */
import { isFlawless, type OutcomeClass, outcomeClassOf } from "@lifeline/measure";
import type { Window } from "@lifeline/window";

/** How many attempts ended with a reason of that class. */
export function endedOf(window: Window, outcomeClass: OutcomeClass): number {
  let ended = 0;
  for (const [reason, count] of window.counts) if (outcomeClassOf(reason) === outcomeClass) ended += count;
  return ended;
}

/** How many conclusive attempts did not end as they should: bad ones and late answers. */
export function flawedOf(window: Window): number {
  let flawed = 0;
  for (const [reason, count] of window.counts) {
    const outcomeClass = outcomeClassOf(reason);
    if ((outcomeClass === "good" || outcomeClass === "bad") && !isFlawless(reason)) flawed += count;
  }
  return flawed;
}

/** How many attempts were measured: those that ended as they should and those that did not. */
export function conclusiveOf(window: Window): number {
  return endedOf(window, "good") + endedOf(window, "bad");
}

/** How many answers were late or took a second SYN. */
export function flawedGoodOf(window: Window): number {
  return flawedOf(window) - endedOf(window, "bad");
}

/** The sum of a count over windows. */
export function sumOver(windows: readonly Window[], of: (window: Window) => number): number {
  return windows.reduce((total, window) => total + of(window), 0);
}
