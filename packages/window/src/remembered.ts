/** What a window keeps of one sample. */
import { type Evidence, isFlawless, outcomeClassOf, type Phase, type Reason } from "@lifeline/measure";
import type { Run } from "./outcome-run.ts";

/** The parts of a sample that a window keeps, with the run it belongs to. */
export interface Remembered {
  readonly endedAtMs: number;
  readonly reason: Reason;
  readonly phase: Phase;
  readonly run: Run;
  readonly evidence: Evidence;
}

/** Whether the attempt was measured. One that was not hides no other (M3). */
export function isMeasured({ reason }: Remembered): boolean {
  return outcomeClassOf(reason) !== "inconclusive";
}

/** The sample if it was answered, or should have been, and did not end as it should; otherwise undefined. */
export function ifFlawed(remembered: Remembered): Remembered | undefined {
  const outcomeClass = outcomeClassOf(remembered.reason);
  const isConclusive = outcomeClass === "good" || outcomeClass === "bad";
  return isConclusive && !isFlawless(remembered.reason) ? remembered : undefined;
}
