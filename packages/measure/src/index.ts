export {
  type Clock,
  type ManualClock,
  manualClock,
  NS_PER_MS,
  NS_PER_US,
  pause,
  systemClock,
  type Timer,
} from "./clock.ts";
export {
  type Bearing,
  type Blame,
  bearingOf,
  CAUSES,
  type Cause,
  OUTCOME_KINDS,
  type Outcome,
  type OutcomeKind,
  PHASES,
  type Phase,
  REASONS,
  type Reason,
  reasonFacts,
} from "./outcome.ts";
export type { ChainCertificate, Evidence, PhaseDurations, RttSource, Sample } from "./sample.ts";
export {
  endpointName,
  type HttpExpectation,
  type IpFamily,
  PROBE_KINDS,
  type ProbeKind,
  type ProbeOptions,
  type Target,
  type Trust,
  targetId,
} from "./target.ts";
