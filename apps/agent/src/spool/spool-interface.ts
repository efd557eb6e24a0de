/** The interface of a spool. */
import type { Clock } from "@lifeline/measure";
import type { DiskEvent } from "./disk-state.ts";
import type { SpoolRecord } from "./spool-record.ts";

/** Why reports were dropped. */
export type DropReason = "full" | "too-old" | "memory-full" | "damaged" | "gone";

/** A change of the disk, once for each change, or reports that were dropped. */
export type SpoolEvent =
  | DiskEvent
  | { readonly kind: "dropped"; readonly reports: number; readonly why: DropReason }
  /** Segments that could not be read before they were too old were removed. How many reports they held is not known. */
  | { readonly kind: "given-up"; readonly segments: number };

/** What a {@link Spool} needs. */
export interface SpoolOptions {
  /** Created when missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Of this start of the agent; 16 bytes. */
  readonly bootId: Uint8Array;
  readonly onEvent: (event: SpoolEvent) => void;
  /** Default SPOOL_MAX_BYTES. */
  readonly maxBytes?: number;
  /** Default SPOOL_MAX_AGE_HOURS. */
  readonly maxAgeHours?: number;
  /** Default MEMORY_MAX_BYTES. */
  readonly memoryMaxBytes?: number;
}

/** Figures of a spool; counters are since its opening. */
export interface SpoolStats {
  /** Bytes on disk and in memory. */
  readonly heldBytes: number;
  /** Reports not yet acknowledged. */
  readonly heldReports: number;
  /** Those of them that were made since this start. */
  readonly heldOfThisBoot: number;
  /** Those of them that are in memory only. */
  readonly memoryReports: number;
  readonly droppedReports: number;
  /** Damaged regions found when opening or reading. */
  readonly corruptRecords: number;
  /** Failed reads of a record or, at opening, of a segment. Nothing is dropped because of one. */
  readonly unreadableReads: number;
}

/**
 * The result of reading a report. `gone`: there is nothing to send any more. `unreadable`: the disk cannot be read now;
 * the report is kept and may be read later.
 */
export type SpoolRead =
  | { readonly kind: "report"; readonly payload: Uint8Array }
  | { readonly kind: "gone" }
  | { readonly kind: "unreadable" };

/** Where an appended report is. Only `disk` outlives this process. */
export interface Kept {
  readonly sequence: number;
  readonly where: "disk" | "memory";
}

/** Holds reports until they are acknowledged. */
export interface Spool {
  /**
   * Adds a report under the next sequence. Resolves when the report is on disk, or in memory where the disk cannot be
   * written or does not answer within DISK_HANGS_MS. Never rejects on a fault of the disk.
   */
  append(payload: Uint8Array): Promise<Kept>;
  /** The oldest report whose ordinal is above `ordinal`; undefined when there is none. */
  nextAfter(ordinal: number): SpoolRecord | undefined;
  /** The ordinal that the next report gets. */
  nextOrdinal(): number;
  /**
   * Reads a report. One that is damaged, or whose file is gone, is dropped and counted. Never rejects on a fault of the
   * disk.
   */
  read(record: SpoolRecord): Promise<SpoolRead>;
  /** Removes a report that the collector has acknowledged or refused for good. Idempotent. */
  release(record: SpoolRecord): void;
  stats(): SpoolStats;
  /** Writes what is still to be written and closes the files. */
  close(): Promise<void>;
}
