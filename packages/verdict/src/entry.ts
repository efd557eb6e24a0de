/** A target under judgement. */
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
  /** Id of the target (of the requirement, for a check) whose fault causes this one. */
  readonly followsFrom: string | undefined;
  /** Measured for comparison with the path that the node uses; never the cause of another row. */
  readonly comparison: boolean;
  /** Whether somebody outside the site runs the endpoint. */
  readonly thirdParty: boolean;
  /** Other endpoints (host:port) of the row of which one is enough; empty: this one must work. */
  readonly alternatives: readonly string[];
  /** Only for targets of the SideroLink UDP port. */
  readonly udpEvidence: UdpEvidence | undefined;
}

/** Whether the entry's requirement is for that service of the deployment. */
export function isAt({ requirement: { place } }: Pick<Entry, "requirement">, service: Service): boolean {
  return place.kind === "service" && place.service === service;
}

/** Whether the verdict is bad. */
export function isFailing({ verdict }: Pick<Entry, "verdict">): boolean {
  return verdict === "unmet" || verdict === "degraded";
}

/** Whether the target answers, at least part of the time. */
export function isAnswering({ verdict }: Pick<Entry, "verdict">): boolean {
  return verdict === "met" || verdict === "degraded";
}

/** Whether the latest conclusive sample is good and ended after `wallMs` (ms since the epoch). */
export function hasAnsweredSince({ own: { lookback } }: Pick<Entry, "own">, wallMs: number): boolean {
  const { last } = lookback;
  return last !== undefined && last.run.outcomeClass === "good" && last.endedAtMs > wallMs;
}
