/** One row of the judgement: a requirement, one of its targets, the verdict and its evidence. */
import type { Obligation } from "@lifeline/catalogue";
import type { Cause, DirectionCounts, IpFamily, ProbeKind } from "@lifeline/measure";
import type { LossCount } from "@lifeline/window";

/** `unknown` is an open question, never a pass (M4). */
export const VERDICTS = ["met", "degraded", "unmet", "unknown", "not-applicable"] as const;
export type Verdict = (typeof VERDICTS)[number];

/**
 * What is known of the SideroLink UDP port. WireGuard answers only its own peers, so silence shows neither an open nor
 * a closed port.
 *
 * - `confirmed`: an answer came over the port recently: from STAMP on the same port, from inside the tunnel, or the
 *   tunnel's interface received packets.
 * - `refused`: an ICMP error came back.
 * - `suspected-blocked`: the Machine API answers, the tunnel sends, and it receives nothing.
 * - `no-evidence`: there is no evidence either way.
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
  /** How many the kernel measured. */
  readonly kernelCount: number;
}

/** The judgement on one requirement and target of a node. */
export interface RowVerdict {
  readonly requirementId: string;
  readonly obligation: Obligation;
  /** Whether the row must be met: its requirement is required, or conditional with its condition fulfilled. */
  readonly required: boolean;
  /** Undefined: the row has no target (a check, not applicable, or unresolved). */
  readonly target:
    | {
        readonly id: string;
        readonly host: string;
        readonly port: number;
        /** host:port, IPv6 literals in brackets. */
        readonly endpoint: string;
        readonly probe: ProbeKind;
        readonly family: IpFamily;
        /** host:port of the proxy that the probe goes through; undefined: direct. */
        readonly proxy: string | undefined;
      }
    | undefined;
  readonly verdict: Verdict;
  /** `none` for met and not-applicable only. */
  readonly cause: Cause;
  /** What the probes saw, in one sentence with figures. */
  readonly evidence: string;
  /** Who must change what, in one sentence; empty for met and not-applicable (J2). */
  readonly nextStep: string;
  /**
   * Id of the target (of the requirement, for a check) whose fault causes this one: fix that first. Undefined: a fault
   * of its own, or none.
   */
  readonly followsFrom: string | undefined;
  /** Only for rows of the SideroLink UDP port. */
  readonly udpEvidence: UdpEvidence | undefined;
  /**
   * What the requirement's targets leave open: which hosts stand for a wildcard, which mirror replaces a host, which
   * endpoints are not measured and why. The same for all rows of the requirement.
   */
  readonly notes: readonly string[];
  /** Measured for comparison with the path that the node uses; never required. */
  readonly comparison: boolean;
  /** Loss by direction over the lookback; undefined where packets are not numbered. */
  readonly directions: DirectionCounts | undefined;
  /** Over the lookback. */
  readonly loss: LossCount;
  readonly rtt: RttFigures;
  /** Wall time, ms since the epoch, since which the verdict is what it is. */
  readonly sinceMs: number;
  /** Wall time, ms since the epoch, at which the deciding run began: the onset of a fault, or the end of an outage. */
  readonly onsetMs: number;
  /** Wall time, ms since the epoch, since which the cause is what it is: at or after `onsetMs`. */
  readonly causeSinceMs: number;
  /** Wall time, ms since the epoch. Undefined: the windows hold no sample. */
  readonly lastSampleAtMs: number | undefined;
}

/** What a row takes over from the previous judgement. */
export type PreviousVerdict = Pick<RowVerdict, "verdict" | "sinceMs"> &
  Partial<Pick<RowVerdict, "cause" | "onsetMs" | "evidence" | "nextStep">>;

/** Identifies a row among those of its node: the target's id, or the requirement's where there is none. */
export function rowKey(row: Pick<RowVerdict, "requirementId" | "target">): string {
  return row.target?.id ?? row.requirementId;
}
