export * as adminPb from "./gen/lifeline/v1/admin_pb.ts";
export * as enrolPb from "./gen/lifeline/v1/enrol_pb.ts";
export * as queryPb from "./gen/lifeline/v1/query_pb.ts";
export * as reportPb from "./gen/lifeline/v1/report_pb.ts";
export * as witnessPb from "./gen/lifeline/v1/witness_pb.ts";
export {
  BOOT_ID_BYTES,
  MAX_DECODED_BYTES,
  MAX_EVIDENCE_ENTRIES,
  MAX_EVIDENCE_LENGTH,
  MAX_IDENTIFIER_LENGTH,
  MAX_MESSAGE_BYTES,
  MAX_PAGE_ROWS,
  MAX_REPORT_BYTES,
  MAX_TARGETS_PER_NODE,
  MAX_UNIX_MS,
  MAX_WINDOWS_PER_REPORT,
  UTF8_BYTES_PER_UNIT,
} from "./limits.ts";
export type { Decoded, Malformed } from "./malformed.ts";
export { isNodeId, MAX_NODE_ID_LENGTH, NODE_ID_WANTED } from "./node-id.ts";
export { makePlan, type Plan, planFromWire, planToWire } from "./plan-codec.ts";
export { readMessage } from "./read-message.ts";
export { type AgentSelfMetrics, decodeReport, encodeReport, NO_SELF_METRICS, type Report } from "./report-codec.ts";
export { decodeWindow, encodeWindow } from "./stored-window.ts";
