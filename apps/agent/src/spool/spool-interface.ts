/** What a spool is to whoever uses it: what it needs, what it tells, what it promises. */
import type { Clock } from "@lifeline/measure";
import type { DiskEvent } from "./disk-state.ts";
import type { SpoolRecord } from "./spool-record.ts";

/** Why reports were dropped. */
export type DropReason = "full" | "too-old" | "memory-full" | "damaged" | "gone";

/** What happened to the disk, told once for each change, and what was dropped. */
export type SpoolEvent =
  | DiskEvent
  | { readonly kind: "dropped"; readonly reports: number; readonly why: DropReason }
  /** Segments that could not be read until they were too old were removed, with however many reports they held. */
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
  /** Those among them that were made since this start. */
  readonly heldOfThisBoot: number;
  /** Those among them that are in memory alone. */
  readonly memoryReports: number;
  readonly droppedReports: number;
  /** Damaged stretches found when opening or reading. */
  readonly corruptRecords: number;
  /** Times the disk would not read a record or, at opening, a segment; nothing is dropped for it. */
  readonly unreadableReads: number;
}

/**
 * What reading a report came to. `gone`: there is nothing to send any more. `unreadable`: the disk would not say just now; the
 * report is kept and may be read later.
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
   * Takes a report under the next sequence. Resolves when it is as safe as it can be made: on disk, or in memory where the disk
   * refuses, or does not answer within DISK_HANGS_MS. Never rejects on what a disk may do.
   */
  append(payload: Uint8Array): Promise<Kept>;
  /** The oldest report whose ordinal is above `ordinal`; undefined when there is none. */
  nextAfter(ordinal: number): SpoolRecord | undefined;
  /** The ordinal the next report will get: those below were here before. */
  nextOrdinal(): number;
  /** Reads a report; one that is damaged, or whose file is gone, is dropped and counted. Never rejects on what a disk may do. */
  read(record: SpoolRecord): Promise<SpoolRead>;
  /** Forgets a report: it is durable elsewhere, or never will be. Idempotent. */
  release(record: SpoolRecord): void;
  stats(): SpoolStats;
  /** Writes what is still to be written and closes the files. */
  close(): Promise<void>;
}
