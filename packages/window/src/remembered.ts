/** What a window keeps of one sample. */
import type { Evidence, Phase, Reason } from "@lifeline/measure";
import type { Run } from "./outcome-run.ts";

/** The parts of a sample that a window keeps, with the run it belongs to. */
export interface Remembered {
  readonly endedAtMs: number;
  readonly reason: Reason;
  readonly phase: Phase;
  readonly run: Run;
  readonly evidence: Evidence;
}
