/** A target under judgement, with what is known of it so far. */
import type { Requirement, Service } from "@lifeline/catalogue";
import type { Cause, Target } from "@lifeline/measure";
import type { UdpEvidence, Verdict } from "./row.ts";
import type { TargetVerdict } from "./target-verdict.ts";

/** One target, the verdict from its own windows, and that verdict as correlated with the other targets. */
export interface Entry {
  readonly requirement: Requirement;
  readonly target: Target;
  /** From its own windows alone. */
  readonly own: TargetVerdict;
  readonly verdict: Verdict;
  readonly cause: Cause;
  readonly onsetMs: number;
  readonly evidence: string;
  readonly nextStep: string;
  /** Id of the target (of the requirement, for a check) whose fault this one follows from. */
  readonly followsFrom: string | undefined;
  /** Measured beside what the node itself uses: no root of what counts. */
  readonly comparison: boolean;
  /** Only at the SideroLink UDP port. */
  readonly udpEvidence: UdpEvidence | undefined;
}

/** Whether the entry's requirement is placed at that service of the deployment. */
export function isAt({ requirement: { place } }: Pick<Entry, "requirement">, service: Service): boolean {
  return place.kind === "service" && place.service === service;
}

/** Whether something is wrong there. */
export function isFailing({ verdict }: Pick<Entry, "verdict">): boolean {
  return verdict === "unmet" || verdict === "degraded";
}

/** Whether answers come from there, be it not all. */
export function isAnswering({ verdict }: Pick<Entry, "verdict">): boolean {
  return verdict === "met" || verdict === "degraded";
}

/** Whether its latest conclusive sample is good and ended later than `wallMs`, ms since the epoch. */
export function hasAnsweredSince({ own: { lookback } }: Pick<Entry, "own">, wallMs: number): boolean {
  const { last } = lookback;
  return last !== undefined && last.run.outcomeClass === "good" && last.endedAtMs > wallMs;
}
