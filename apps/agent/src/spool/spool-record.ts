/** A report that waits, and where its bytes are. */

import type { PackedReport } from "./packing.ts";

/** What whoever sends a report needs to know of it. */
export interface SpoolRecord {
  /** Position in the order of sending; rises with each record that becomes visible. */
  readonly ordinal: number;
  readonly bootId: Uint8Array;
  readonly sequence: number;
  /** Of an earlier start, and found only after the opening: its ordinal says nothing of its age. */
  readonly isRecovered: boolean;
}

/** One file of the ring, as it is known here. */
export interface Segment {
  readonly number: number;
  /** Every record written to it, released ones too. */
  readonly records: HeldRecord[];
  heldRecords: number;
  bytes: number;
  ackBytes: number;
  /** Monotonic time of the last write, ns; below zero for one written before this start. */
  writtenNs: number;
  /** Offsets of what was settled and is not written down yet. */
  readonly ackQueue: number[];
}

/** Where a frame stands on the disk. */
export interface DiskPlace {
  readonly kind: "disk";
  readonly segment: Segment;
  readonly offset: number;
  readonly frameBytes: number;
}

/** A report that is in memory alone, since `keptNs` of the monotonic clock. */
export interface MemoryPlace {
  readonly kind: "memory";
  readonly packed: PackedReport;
  readonly keptNs: number;
}

/** A report as the spool keeps it. */
export interface HeldRecord extends SpoolRecord {
  place: DiskPlace | MemoryPlace;
  /** Settled or dropped: nobody waits for it any more. */
  isReleased: boolean;
}

/** What tells one report from every other. */
export function keyOf({ bootId, sequence }: Pick<SpoolRecord, "bootId" | "sequence">): string {
  return `${Buffer.from(bootId).toString("latin1")}:${sequence}`;
}
