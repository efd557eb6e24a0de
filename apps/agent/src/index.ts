export { startAgent } from "./agent.ts";
export { AGENT_PROGRAM, type AgentConfig, type PlanSource, parseConfig } from "./config.ts";
export { parsePlan, readPlanFile } from "./plan/plan-file.ts";
export { encodeParts } from "./report/report-parts.ts";
export { type Agent, type AgentStats, FLUSH_GRACE_MS } from "./running-agent.ts";
export { ACK_BYTES, decodeAcks, encodeAck } from "./spool/acks.ts";
export { SEGMENT_MAX_RECORDS, SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES, SPOOL_MAX_RECORDS } from "./spool/bounds.ts";
export { decodeFrame, encodeFrame, type FoundFrame, type Frame, type Scan, scanFrames } from "./spool/frame.ts";
export { type PackedReport, packReport, unpackReport } from "./spool/packing.ts";
export { segmentPath } from "./spool/segment.ts";
export {
  openSpool,
  type Spool,
  type SpoolEvent,
  type SpoolOptions,
  type SpoolRecord,
  type SpoolStats,
} from "./spool/spool.ts";
export type { Identity } from "./state/node-identity.ts";
export { Uplink, type UplinkEvents, type UplinkOptions, type UplinkStats } from "./uplink/uplink.ts";
export { type AgentWorld, createAgentWorld } from "./world.ts";
