/** Every operation of the store, and the messages that carry them to its thread. Times are ms since the epoch. */
import type { HistoryExtent, HistoryQuery, HistoryRows, RolledUp } from "./history-record.ts";
import type { IdentityOperations } from "./identity-record.ts";
import type {
  BootRecord,
  IncidentQuery,
  IncidentRecord,
  NodeRecord,
  NoNode,
  ReportRecord,
  StoredIncident,
  StoredNode,
  VerdictRecord,
} from "./record.ts";

/** Which windows of a target are wanted. */
interface TargetLookback {
  readonly targetId: string;
  readonly endedAfterMs: number;
}

/** Every operation of the store and its answer. */
export interface StoreOperations extends IdentityOperations {
  /** `known`: there was a node of that id. */
  saveNode: { input: NodeRecord; output: "new" | "known" };
  /** `conflicting`: other bytes came before under the same key, and stay. */
  saveReport: { input: ReportRecord; output: "stored" | "duplicate" | "conflicting" | NoNode };
  saveIncident: { input: IncidentRecord; output: "saved" | NoNode };
  saveVerdicts: { input: { nodeId: string; verdicts: readonly VerdictRecord[] }; output: "saved" | NoNode };
  /**
   * Ends the hour under way at that time (storage-hours.ts): rows written from now on are of the next one. Deletes the
   * dates of hours that no row stored since `keepFromMs` needs.
   */
  closeHour: { input: { readonly endedMs: number; readonly keepFromMs: number }; output: undefined };
  /** When the last hour was closed; undefined: none was. */
  lastHourEndedMs: { input: Readonly<Record<string, never>>; output: number | undefined };
  /** The nodes whose last report is older than that time, and the unknown ones. */
  silentNodes: {
    input: { readonly nodeIds: readonly string[]; readonly beforeMs: number };
    output: readonly string[];
  };
  /**
   * Deletes at most `reports` reports that were stored before `beforeMs`, with their windows; as many incidents that
   * were written before and have ended, or whose node is silent since; and roll-ups to which nothing was added since
   * the time of their level. Gives how many rows were deleted. Reports that wait for their roll-up stay.
   */
  prune: {
    input: { beforeMs: number; minuteBeforeMs: number; hourBeforeMs: number; reports: number };
    output: number;
  };
  /** Deletes at most `limit` nodes whose last report is older than that time and of which nothing is left. */
  pruneNodes: { input: { readonly beforeMs: number; readonly limit: number }; output: undefined };
  /**
   * Rolls up at most `limit` reports of one node, oldest first: of the node whose oldest arrived before `dueBeforeMs`,
   * else of one that has `limit` waiting. Each report is rolled up exactly once in effect, whatever ends the process.
   */
  rollUp: { input: { dueBeforeMs: number; limit: number }; output: RolledUp };
  /** Writes a row, to show that the store can. */
  touch: { input: { nowMs: number }; output: undefined };
  listNodes: { input: { limit: number }; output: readonly StoredNode[] };
  listVerdicts: { input: { nodeId: string }; output: readonly VerdictRecord[] };
  /**
   * Numbers of the reports of one node that hold the latest `limit` windows of each target that ended after its time
   * and by `endedByMs`; ascending.
   */
  recentReports: {
    input: { nodeId: string; targets: readonly TargetLookback[]; endedByMs: number; limit: number };
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
  /** The incidents of one node that have not ended; at most one for each target. */
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

/** The first message of the store's thread. */
export type OpenResult =
  | { readonly opened: true }
  | { readonly opened: false; readonly code: string; readonly detail: string };
