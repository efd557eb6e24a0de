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

/**
 * How long a report may wait between its arrival and the store, ms: an hour. Others overtake it, so the latest arrival is that of the
 * report that was stored last only where the one before it is later by more: then the clock was put back.
 */
export const REPORT_WAITS_MAX_MS = 3_600_000;

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

/** The store does not know the node that this belongs to: it was never saved, or was pruned. Nothing was written. */
export type NoNode = "no-node";

/** Which windows of a target are asked for. */
export interface TargetStretch {
  readonly targetId: string;
  readonly endedAfterMs: number;
}

/** Lengths of what history is told in, s: the reports' own windows, and the roll-ups of them. */
export const HISTORY_STEPS_S = [10, 60, 3_600] as const;
export type HistoryStepS = (typeof HISTORY_STEPS_S)[number];

/** What one step of rolling up did. */
export interface RolledUp {
  /** Reports whose windows are in the roll-ups now; 0: none was due. */
  readonly reports: number;
  /** Reports and roll-ups that could not be opened: the former are left out for good, the latter begun anew. */
  readonly undecodable: number;
  /** Roll-ups that would hold more than a window can (uint32): left as they were, without what this step brought. */
  readonly overfull: number;
  /** Reports that still wait. */
  readonly unrolled: number;
}

/** What is kept of a node's past. */
export interface HistoryExtent {
  readonly targetIds: readonly string[];
  /** Where it may begin, to the hour; undefined: nothing is kept. */
  readonly firstMs: number | undefined;
}

/** A stretch of a node's past. Times are the node's own, multiples of the step; `fromMs` inclusive, `toMs` not. */
export interface HistoryQuery {
  readonly nodeId: string;
  readonly targetIds: readonly string[];
  readonly stepS: HistoryStepS;
  readonly fromMs: number;
  readonly toMs: number;
  /** Longest stretch answered at once, counted from the first that is kept. */
  readonly spanMs: number;
  /** Most reports to be opened for one answer. */
  readonly reportsMax: number;
}

/** What a stretch is to be made of: each window is either in a roll-up or in one of the reports, never in both. */
export type HistoryRows =
  | { readonly kind: "no-node" }
  /** More reports of the node wait to be rolled up than one answer can look through. */
  | { readonly kind: "unrolled"; readonly reports: number }
  /** One step alone lies in more reports than one answer can open. */
  | { readonly kind: "too-dense"; readonly startMs: number }
  | {
      readonly kind: "found";
      readonly rollups: readonly {
        readonly targetId: string;
        readonly startMs: number;
        readonly payload: Uint8Array;
      }[];
      /** Windows that began within the stretch, by report and their places in it. */
      readonly reports: ReadonlyMap<number, readonly number[]>;
      /** Where the first step that is left out begins; undefined: none is. */
      readonly cutMs: number | undefined;
    };

/** Every operation of the store and its answer. */
export interface StoreOperations extends IdentityOperations {
  /** `known`: there was a node of that id. */
  saveNode: { input: NodeRecord; output: "new" | "known" };
  /** `conflicting`: other bytes came before under the same key, and stay. */
  saveReport: { input: ReportRecord; output: "stored" | "duplicate" | "conflicting" | NoNode };
  saveIncident: { input: IncidentRecord; output: "saved" | NoNode };
  saveVerdicts: { input: { nodeId: string; verdicts: readonly VerdictRecord[] }; output: "saved" | NoNode };
  /**
   * Ends the hour under way at that time (storage-hours.ts): rows written from now on are of the next one. Deletes the dates of hours
   * that no row stored since `keepFromMs` needs.
   */
  closeHour: { input: { readonly endedMs: number; readonly keepFromMs: number }; output: undefined };
  /** When the last hour was closed; undefined: none was. */
  lastHourEndedMs: { input: Readonly<Record<string, never>>; output: number | undefined };
  /** Those of the nodes that were last heard of before that time, and those that are not known. */
  silentNodes: {
    input: { readonly nodeIds: readonly string[]; readonly beforeMs: number };
    output: readonly string[];
  };
  /**
   * Deletes at most so many reports that were stored before `beforeMs`, with their windows; as many incidents that were written before
   * and have ended, or whose node is silent since; and roll-ups to which nothing was added since the time of their level. Says how many
   * rows went. Reports that wait to be rolled up stay.
   */
  prune: {
    input: { beforeMs: number; minuteBeforeMs: number; hourBeforeMs: number; reports: number };
    output: number;
  };
  /** Deletes at most `limit` nodes that were last heard of before that time and of which nothing is left. */
  pruneNodes: { input: { readonly beforeMs: number; readonly limit: number }; output: undefined };
  /**
   * Rolls up at most `limit` reports of one node, oldest first: of the node whose oldest arrived before `dueBeforeMs`, else of one that
   * has `limit` waiting. Each report is rolled up once in effect, whatever ends the process.
   */
  rollUp: { input: { dueBeforeMs: number; limit: number }; output: RolledUp };
  /** Writes a row: answers only when the store can. */
  touch: { input: { nowMs: number }; output: undefined };
  listNodes: { input: { limit: number }; output: readonly StoredNode[] };
  listVerdicts: { input: { nodeId: string }; output: readonly VerdictRecord[] };
  /**
   * Numbers of the reports of one node that hold the latest `limit` windows of each target that ended after its time and by `endedByMs`;
   * ascending.
   */
  recentReports: {
    input: { nodeId: string; targets: readonly TargetStretch[]; endedByMs: number; limit: number };
    output: readonly number[];
  };
  /** Encoded reports by number, ascending; those that are gone are left out. */
  readReports: {
    input: { reports: readonly number[] };
    output: readonly { readonly report: number; readonly receivedAtMs: number; readonly payload: Uint8Array }[];
  };
  historyExtent: { input: { nodeId: string }; output: HistoryExtent | NoNode };
  history: { input: HistoryQuery; output: HistoryRows };
  listBoots: { input: { nodeId: string; limit: number }; output: readonly BootRecord[] };
  listIncidents: { input: IncidentQuery; output: readonly StoredIncident[] };
  /** Those of one node that have not ended; at most one for each target. */
  openIncidents: { input: { readonly nodeId: string }; output: readonly StoredIncident[] };
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
