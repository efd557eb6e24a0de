/** Whether one fault began early enough to cause another (J3). */
import type { Entry } from "../entry.ts";

/**
 * Attempts of the cause's target after which it must have shown: its first one after the fault, or the second where one
 * was missed.
 */
const ATTEMPTS_UNTIL_SHOWN = 2;

/**
 * Whether `root` began before a symptom. Both begin with the first attempt that failed, so the cause may look later
 * than its symptom: by two cadences of its own, and by the timeout of the symptom's attempt, which may have been under
 * way when the fault began. `symptomTimeoutMs`: that timeout.
 */
export function beganBefore(root: Entry, symptomOnsetMs: number, symptomTimeoutMs: number): boolean {
  return root.onsetMs <= symptomOnsetMs + ATTEMPTS_UNTIL_SHOWN * root.target.cadenceMs + symptomTimeoutMs;
}

/** When the present state of a failing target began, ms since the epoch: not what failed before it. */
export function stateSinceMs({ onsetMs, own: { seen } }: Pick<Entry, "own" | "onsetMs">): number {
  return Math.max(onsetMs, seen?.run.stateStartedAtMs ?? onsetMs);
}
