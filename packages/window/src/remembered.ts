/** What a window keeps of one sample. */
import type { Evidence, Phase, Reason } from "@lifeline/measure";
import type { Run } from "./outcome-run.ts";

/** A sample worth remembering: what it was and where the run stood. */
export interface Remembered {
  readonly endedAtMs: number;
  readonly reason: Reason;
  readonly phase: Phase;
  readonly run: Run;
  readonly evidence: Evidence;
}
