/** The order of a target's samples in time. */
import { outcomeClassOf } from "@lifeline/measure";
import { compareContent } from "./content-order.ts";
import { isMeasured, type Remembered } from "./remembered.ts";

/**
 * Negative: `a` comes first. A sample that was not measured comes before all that were, because it hides none (M3).
 * Then by the order in which the attempts began: by run, then by place in the run. The end times
 * do not show that order, because a loss ends only after its threshold, and because the wall clock may be set back. Of
 * one sample the record with more watched attempts after it is the later. Content decides between equal ones, so the
 * order of the arguments never matters.
 */
export function compareMoments(a: Remembered, b: Remembered): number {
  return (
    Number(isMeasured(a)) - Number(isMeasured(b)) ||
    a.run.ordinal - b.run.ordinal ||
    a.run.length - b.run.length ||
    a.endedAtMs - b.endedAtMs ||
    a.run.watched - b.run.watched ||
    compareContent(a, b)
  );
}

/** The later of two samples by {@link compareMoments}; undefined is before all. */
export function latestSample(a: Remembered | undefined, b: Remembered | undefined): Remembered | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareMoments(a, b) >= 0 ? a : b;
}

/**
 * The one of two flawed samples that tells more: a failure before a late answer, which may be of the same outage and
 * would hide it; else the later one.
 */
export function worseSample(a: Remembered | undefined, b: Remembered | undefined): Remembered | undefined {
  if (a === undefined || b === undefined || isFailure(a) === isFailure(b)) return latestSample(a, b);
  return isFailure(a) ? a : b;
}

function isFailure({ reason }: Remembered): boolean {
  return outcomeClassOf(reason) === "bad";
}
