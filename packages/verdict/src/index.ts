export { CAUSE_FACTS, type CauseFacts, causesDocument } from "./cause-facts.ts";
export { CLOCK_DEGRADED_MS, CLOCK_UNMET_MS } from "./check.ts";
export type { DuplicateNode, NodeContext, WitnessView } from "./context.ts";
export { receptionOf } from "./cross-examine/tunnel.ts";
export { rttFiguresOf } from "./figures.ts";
export {
  advanceIncidents,
  type Incident,
  type IncidentChange,
  type IncidentState,
  type IncidentStep,
  MAX_INCIDENT_CHANGES,
} from "./incident.ts";
export { type Judgement, judgeNode } from "./judge-node.ts";
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
export { DEFAULT_THRESHOLDS, lookbackMsOf, staleAfterMsOf, type Thresholds } from "./thresholds.ts";
