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
