/**
 * What the store keeps and answers: plain data that crosses to its thread by structured clone. Times are ms since the
 * epoch.
 */

import type { IncidentImpact } from "@lifeline/verdict";

/** A node by its latest Hello. */
export interface NodeRecord {
  readonly nodeId: string;
  readonly hostname: string;
  readonly agentVersion: string;
  /** NodeFacts as JSON. */
  readonly factsJson: string;
  readonly seenAtMs: number;
  /** How far its clock was behind the collector's, ms; undefined: not known, and the stored value stays. */
  readonly clockOffsetMs: number | undefined;
  /**
   * The addresses it may be observed from, and where Talos sees its peer (SeenFrom), as JSON. Undefined: none are
   * known.
   */
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
 * How long a report may wait between its arrival and the store, ms: an hour. Others overtake it, so the latest arrival
 * is that of the report that was stored last only where the one before it is later by more: then the clock was put
 * back.
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
  /** How many windows the report holds. */
  readonly windowCount: number;
  /** The windows to index: those of planned targets alone, so that there are no more names than the catalogue has. */
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
  /** The changes of verdict and cause, as JSON. */
  readonly changesJson: string;
  readonly droppedChanges: number;
  /** What it cost so far. */
  readonly impact: IncidentImpact;
}

export interface StoredIncident extends IncidentRecord {
  readonly id: number;
}

/** The verdict of one row. It is stored so that since when, and the evidence of a fault, outlive a restart. */
export interface VerdictRecord {
  readonly rowKey: string;
  readonly verdict: string;
  readonly sinceMs: number;
  /** Undefined: no fault. */
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
  /** Only incidents that had not ended before; 0: all. */
  readonly sinceMs: number;
  readonly limit: number;
  /** The incidents after this one; undefined: from the latest. */
  readonly after: { readonly startedAtMs: number; readonly id: number } | undefined;
}

/** The store does not know the node: it was never saved, or was pruned. Nothing was written. */
export type NoNode = "no-node";
