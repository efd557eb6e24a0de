/** One line of the judgement: a requirement, a target of it, the verdict and what it rests on. */
import type { Obligation } from "@lifeline/catalogue";
import type { Cause, DirectionCounts, IpFamily, ProbeKind } from "@lifeline/measure";
import type { LossCount } from "@lifeline/window";

/** From good to bad; `unknown` is an open question, never a pass (M4). */
export const VERDICTS = ["met", "degraded", "unmet", "unknown", "not-applicable"] as const;
export type Verdict = (typeof VERDICTS)[number];

/**
 * What is known of the SideroLink UDP port (WireGuard never answers a stranger, so silence is neither open nor closed).
 *
 * - `confirmed`: an answer came over it lately: STAMP on the very port, an answer inside the tunnel, or the tunnel's interface received.
 * - `refused`: an ICMP error came back.
 * - `suspected-blocked`: the Machine API answers, the tunnel sends, and nothing is received.
 * - `no-evidence`: nothing tells.
 * - `not-applicable`: WireGuard runs over gRPC.
 */
export const UDP_EVIDENCE = ["confirmed", "refused", "suspected-blocked", "no-evidence", "not-applicable"] as const;
export type UdpEvidence = (typeof UDP_EVIDENCE)[number];

/** Round-trip times over the lookback; undefined without a sample. */
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
        /** host:port of the proxy it is measured through; undefined: direct. */
        readonly proxy: string | undefined;
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
  /** Only for rows of the SideroLink UDP port. */
  readonly udpEvidence: UdpEvidence | undefined;
  /** Measured beside what the node itself uses; never required. */
  readonly comparison: boolean;
  /** By direction, over the lookback; undefined where packets are not numbered. */
  readonly directions: DirectionCounts | undefined;
  /** Over the lookback. */
  readonly loss: LossCount;
  readonly rtt: RttFigures;
  /** Wall time, ms since the epoch, at which the verdict became what it is. */
  readonly sinceMs: number;
  /** Wall time at which the run the verdict rests on began: a fault's true onset, a recovery's true end. */
  readonly onsetMs: number;
  /** Undefined: no sample in the windows given. */
  readonly lastSampleAtMs: number | undefined;
}

/** What a row takes over from the judgement before. */
export type PreviousVerdict = Pick<RowVerdict, "verdict" | "sinceMs"> &
  Partial<Pick<RowVerdict, "cause" | "onsetMs" | "evidence" | "nextStep">>;

/** Identifies a row among those of its node: the target's id, or the requirement's where there is none. */
export function rowKey(row: Pick<RowVerdict, "requirementId" | "target">): string {
  return row.target?.id ?? row.requirementId;
}
