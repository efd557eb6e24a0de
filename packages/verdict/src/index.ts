export { CLOCK_DEGRADED_MS, CLOCK_UNMET_MS } from "./check-verdict.ts";
export { receptionOf } from "./correlate/tunnel-fault.ts";
export {
  advanceIncidents,
  type Incident,
  type IncidentChange,
  type IncidentState,
  type IncidentStep,
  MAX_INCIDENT_CHANGES,
} from "./incident.ts";
export { type IncidentImpact, type MinuteCount, NO_IMPACT } from "./incident-impact.ts";
export { type Judgement, judgeNode } from "./judge-node.ts";
export { type JudgementContext, judgementContextOf, type KnownOfNode } from "./judgement-context.ts";
export type { ClockReference, DuplicateNode, NodeContext, WitnessView } from "./node-context.ts";
export { requiredRowsMet } from "./required.ts";
export {
  type PreviousVerdict,
  type RowVerdict,
  type RttFigures,
  rowKey,
  UDP_EVIDENCE,
  type UdpEvidence,
  VERDICTS,
  type Verdict,
} from "./row.ts";
export { rttFiguresOf } from "./rtt-figures.ts";
export { DEFAULT_THRESHOLDS, lookbackMsOf, staleAfterMsOf, type Thresholds } from "./thresholds.ts";
