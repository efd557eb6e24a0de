/** One line of the judgement: a requirement, a target of it, the verdict and what it rests on. */
import type { Obligation } from "@lifeline/catalogue";
import type { Cause, IpFamily, ProbeKind } from "@lifeline/measure";
import type { LossCount } from "@lifeline/window";

/** From good to bad; `unknown` is an open question, never a pass (M4). */
export const VERDICTS = ["met", "degraded", "unmet", "unknown", "not-applicable"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Round-trip times over the judged stretch; undefined without a sample. */
export interface RttFigures {
  readonly p50Ns: number | undefined;
  readonly p95Ns: number | undefined;
  readonly maxNs: number | undefined;
  readonly count: number;
  /** How many were read by the kernel. */
  readonly kernelCount: number;
}

/** The judgement on one requirement and target of a node. */
export interface RowVerdict {
  readonly requirementId: string;
  readonly obligation: Obligation;
  /** Whether the row counts when asking if every required row is met: required, or conditional and binding. */
  readonly required: boolean;
  /** Absent: the row has no target (not applicable, unresolved). */
  readonly target:
    | {
        readonly id: string;
        readonly host: string;
        readonly port: number;
        /** host:port, as people write it. */
        readonly endpoint: string;
        readonly probe: ProbeKind;
        readonly family: IpFamily;
      }
    | undefined;
  readonly verdict: Verdict;
  /** `none` only for met and not-applicable. */
  readonly cause: Cause;
  /** What was seen, in a sentence with its figures. */
  readonly evidence: string;
  /** Who must change what, in a sentence; empty for met and not-applicable (J2). */
  readonly nextStep: string;
  /** Id of the target whose fault this one follows from: mend that first. Undefined: a fault of its own, or none. */
  readonly followsFrom: string | undefined;
  /** Over the judged stretch. */
  readonly loss: LossCount;
  readonly rtt: RttFigures;
  /** Wall time, ms since the epoch, at which the verdict became what it is. */
  readonly sinceMs: number;
  /** Wall time at which the run the verdict rests on began: a fault's true onset, a recovery's true end. */
  readonly onsetMs: number;
  /** Undefined: no sample in the windows given. */
  readonly lastSampleAtMs: number | undefined;
}

/** Identifies a row among those of its node: the target's id, or the requirement's where there is none. */
export function rowKey(row: Pick<RowVerdict, "requirementId" | "target">): string {
  return row.target?.id ?? row.requirementId;
}
