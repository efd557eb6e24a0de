/** A report in the spool, and where its bytes are. */

import type { PackedReport } from "./packing.ts";

/** A report as the uplink sees it. */
export interface SpoolRecord {
  /** Position in the order of sending; rises with each record that is added. */
  readonly ordinal: number;
  readonly bootId: Uint8Array;
  readonly sequence: number;
  /** True for a report of an earlier start that was found after the opening: its ordinal does not follow its age. */
  readonly isRecovered: boolean;
}

/** One file of the ring. */
export interface Segment {
  readonly number: number;
  /** Every record written to it, released ones too. */
  readonly records: PlacedRecord[];
  heldRecords: number;
  bytes: number;
  ackBytes: number;
  /** Monotonic time of the last write, ns; below zero for one written before this start. */
  writtenNs: number;
  /** Offsets of settled frames whose acknowledgement is not on disk yet. */
  readonly ackQueue: number[];
}

/** Where a frame is on disk. */
export interface DiskPlace {
  readonly kind: "disk";
  readonly segment: Segment;
  readonly offset: number;
  readonly frameBytes: number;
}

/** A report that is in memory only, since `keptNs` of the monotonic clock. */
export interface MemoryPlace {
  readonly kind: "memory";
  readonly packed: PackedReport;
  readonly keptNs: number;
}

/** A report with its place. */
export interface PlacedRecord extends SpoolRecord {
  place: DiskPlace | MemoryPlace;
  /** Settled or dropped. */
  isReleased: boolean;
}

/** The key of a report: no two reports have the same. */
export function keyOf({ bootId, sequence }: Pick<SpoolRecord, "bootId" | "sequence">): string {
  return `${Buffer.from(bootId).toString("latin1")}:${sequence}`;
}
