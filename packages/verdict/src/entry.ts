/** A target under judgement, with what is known of it so far. */
import type { Requirement, Service } from "@lifeline/catalogue";
import type { Cause, Target } from "@lifeline/measure";
import type { Finding } from "./finding.ts";
import type { UdpEvidence, Verdict } from "./row.ts";

/** One target, its own finding, and the verdict as the other targets let it stand. */
export interface Entry {
  readonly requirement: Requirement;
  readonly target: Target;
  readonly finding: Finding;
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
export function hasAnsweredSince({ finding: { lookback } }: Pick<Entry, "finding">, wallMs: number): boolean {
  const { last } = lookback;
  return last !== undefined && last.run.outcomeClass === "good" && last.endedAtMs > wallMs;
}
