/** What the store keeps and answers: plain data that crosses to its thread by structured clone. Times are ms since the epoch. */
import type { IdentityOperations } from "./identity-record.ts";

/** A node as it last introduced itself. */
export interface NodeRecord {
  readonly nodeId: string;
  readonly hostname: string;
  readonly agentVersion: string;
  /** NodeFacts as JSON. */
  readonly factsJson: string;
  readonly seenAtMs: number;
  /** How far its clock was behind the collector's, ms; undefined: not known, what is kept stays. */
  readonly clockOffsetMs: number | undefined;
  /** Where it may be seen from, and where Talos sees its peer (SeenFrom), as JSON; undefined: an older collector wrote it. */
  readonly seenFromJson: string | undefined;
}

/** A node with what the store counted. */
export interface StoredNode extends NodeRecord {
  readonly firstSeenMs: number;
  readonly lastReportMs: number | undefined;
}

/** Place of one window in its report, and in time. */
export interface IndexedWindow {
  readonly targetId: string;
  /** 0-based, in the report's order. */
  readonly position: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** A report that was admitted, with the identity it is counted under. */
export interface ReportRecord {
  readonly nodeId: string;
  readonly bootId: Uint8Array;
  readonly sequence: number;
  readonly receivedAtMs: number;
  readonly sealedAtMs: number;
  /** As of the node (NodeRecord). */
  readonly clockOffsetMs: number | undefined;
  /** The encoded report as it arrived. */
  readonly payload: Uint8Array;
  /** How many windows it holds. */
  readonly windowCount: number;
  /** Where those that can be asked for lie: the planned targets' alone, so that their names are as few as the catalogue's. */
  readonly windows: readonly IndexedWindow[];
}

/** An incident, open or closed. */
export interface IncidentRecord {
  readonly nodeId: string;
  readonly requirementId: string;
  readonly targetId: string;
  readonly verdict: string;
  readonly cause: string;
  readonly evidence: string;
  readonly nextStep: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** How verdict and cause went, as JSON. */
  readonly changesJson: string;
  readonly droppedChanges: number;
}

export interface StoredIncident extends IncidentRecord {
  readonly id: number;
}

/** What one row was judged as, so that its since, and what was found out of a fault while it could be, outlive a restart. */
export interface VerdictRecord {
  readonly rowKey: string;
  readonly verdict: string;
  readonly sinceMs: number;
  /** Undefined: no fault, or an older collector wrote it. */
  readonly fault: FaultRecord | undefined;
}

/** A fault as it was judged. */
export interface FaultRecord {
  readonly cause: string;
  readonly onsetMs: number;
  readonly evidence: string;
  readonly nextStep: string;
}

/** What has arrived of one boot of an agent. */
export interface BootRecord {
  readonly bootId: Uint8Array;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly reports: number;
  readonly windows: number;
  readonly duplicates: number;
}

/** A page of incidents, latest first. */
export interface IncidentQuery {
  /** Empty: every node. */
  readonly nodeId: string;
  readonly openOnly: boolean;
  /** Only those that had not ended before; 0: all. */
  readonly sinceMs: number;
  readonly limit: number;
  /** Those after this one; undefined: from the latest. */
  readonly after: { readonly startedAtMs: number; readonly id: number } | undefined;
}

/** The store does not know the node that this belongs to: it was never saved, or was forgotten. Nothing was written. */
export type NoNode = "no-node";

/** Which windows of a target are asked for. */
export interface TargetStretch {
  readonly targetId: string;
  readonly endedAfterMs: number;
}

/** Every operation of the store and its answer. */
export interface StoreOperations extends IdentityOperations {
  saveNode: { input: NodeRecord; output: undefined };
  /** `conflicting`: other bytes came before under the same key, and stay. */
  saveReport: { input: ReportRecord; output: "stored" | "duplicate" | "conflicting" | NoNode };
  saveIncident: { input: IncidentRecord; output: "saved" | NoNode };
  saveVerdicts: { input: { nodeId: string; verdicts: readonly VerdictRecord[] }; output: "saved" | NoNode };
  /** Deletes at most `limit` reports (with their windows) and `limit` closed incidents older than `beforeMs`; says how many rows went. */
  prune: { input: { beforeMs: number; limit: number }; output: number };
  /** Writes a row: answers only when the store can. */
  touch: { input: { nowMs: number }; output: undefined };
  listNodes: { input: { limit: number }; output: readonly StoredNode[] };
  listVerdicts: { input: { nodeId: string }; output: readonly VerdictRecord[] };
  /** Numbers of the reports of one node that hold the latest `limit` windows of each target that ended after its time; ascending. */
  recentReports: {
    input: { nodeId: string; targets: readonly TargetStretch[]; limit: number };
    output: readonly number[];
  };
  /** Encoded reports by number, ascending; those that are gone are left out. */
  readReports: {
    input: { reports: readonly number[] };
    output: readonly { readonly receivedAtMs: number; readonly payload: Uint8Array }[];
  };
  listBoots: { input: { nodeId: string; limit: number }; output: readonly BootRecord[] };
  listIncidents: { input: IncidentQuery; output: readonly StoredIncident[] };
}
export type OperationName = keyof StoreOperations;

/** One operation with its input. */
export type Operation = {
  [K in OperationName]: { readonly name: K; readonly input: StoreOperations[K]["input"] };
}[OperationName];

/** To the store's thread: operations to run in one transaction. */
export interface Batch {
  readonly operations: readonly Operation[];
}

/** From the store's thread: the answers, all durable; or why none is. */
export type BatchResult =
  | { readonly ok: true; readonly outputs: readonly unknown[] }
  | { readonly ok: false; readonly code: string; readonly detail: string };

/** First word of the store's thread. */
export type OpenResult =
  | { readonly opened: true }
  | { readonly opened: false; readonly code: string; readonly detail: string };
