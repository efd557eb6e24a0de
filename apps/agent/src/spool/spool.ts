/**
 * The spool: reports wait here until the collector has made them durable and said so (U1).
 *
 * 1. `append` resolves after fdatasync: from then on neither `kill -9` nor a power cut loses the report.
 * 2. Bounded in bytes, records and age. The oldest segment goes first, and what it still held is counted (U2).
 * 3. A disk that refuses to be written costs durability, not reports: they wait in bounded memory, oldest dropped first, and
 *    move to the disk when it takes them again. It is tried again every {@link DISK_RETRY_MS}.
 * 4. Age runs by the monotonic clock. What lay here before a start is aged by the wall clock, which may have been set meanwhile: so no
 *    start drops anything for its age alone; what seems too old has {@link AGED_GRACE_MS} to be sent.
 * 5. Reports of earlier starts are found again at opening, with the key they were first given, so that a report that is sent
 *    twice is counted once.
 */
import type { FileHandle } from "node:fs/promises";
import { readdir } from "node:fs/promises";
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { makeDirectory } from "../make-directory.ts";
import { encodeFrame } from "./frame.ts";
import {
  ACK_BYTES,
  appendAcks,
  appendFrame,
  createSegment,
  loadSegment,
  readFrame,
  removeSegment,
  segmentNumber,
} from "./segment.ts";

/** Default bound on disk, bytes: 64 MiB holds some three days of a node with twenty targets. */
export const SPOOL_MAX_BYTES = 64 * 1024 * 1024;

/** Default bound on age, hours: a long weekend. */
export const SPOOL_MAX_AGE_HOURS = 72;

/**
 * How long a report that seems too old at a start is kept none the less, ms, or half the bound on age where that is shorter: an hour, in
 * which a collector that can be reached takes three days' reports.
 */
export const AGED_GRACE_MS = 3_600_000;

/** Most records: 72 h of a report every 10 s are 25,920; the rest is for early seals. At ~100 bytes of index each, 6 MiB. */
export const SPOOL_MAX_RECORDS = 65_536;

/** Largest segment, bytes: what is dropped at a time is a sixteenth of the spool, and at most this. */
export const SEGMENT_MAX_BYTES = 1024 * 1024;

/** Most records of a segment. */
export const SEGMENT_MAX_RECORDS = 1_024;

/** Most bytes that wait in memory while the disk refuses. */
export const MEMORY_MAX_BYTES = 4 * 1024 * 1024;

/** Appends that may wait for a slow disk; a disk that hangs for longer costs the reports that come then. */
export const WAITING_MAX = 64;

/** How often a disk that refused is tried again, ms. */
export const DISK_RETRY_MS = 30_000;

const MS_PER_HOUR = 3_600_000;

/** A report that waits. */
export interface SpoolRecord {
  /** Position in the order of sending; rises with each record that becomes visible. */
  readonly ordinal: number;
  readonly bootId: Uint8Array;
  readonly sequence: number;
}

/** What happened to the disk, told once for each change. */
export type SpoolEvent =
  | { readonly kind: "disk-refused"; readonly code: string }
  | { readonly kind: "disk-accepted" }
  | { readonly kind: "disk-unreadable"; readonly code: string }
  | { readonly kind: "disk-readable" }
  | {
      readonly kind: "dropped";
      readonly reports: number;
      readonly why: "full" | "too-old" | "memory-full" | "disk-hangs" | "damaged" | "gone";
    };

/** What a {@link Spool} needs. */
export interface SpoolOptions {
  /** Created when missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Of this start of the agent; 16 bytes. */
  readonly bootId: Uint8Array;
  readonly onEvent: (event: SpoolEvent) => void;
  /** Default {@link SPOOL_MAX_BYTES}. */
  readonly maxBytes?: number;
  /** Default {@link SPOOL_MAX_AGE_HOURS}. */
  readonly maxAgeHours?: number;
  /** Default {@link MEMORY_MAX_BYTES}. */
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

/** Where an appended report is. Only `disk` outlives this process; `dropped` was counted. */
export interface Kept {
  readonly sequence: number;
  readonly where: "disk" | "memory" | "dropped";
}

/** Holds reports until they are acknowledged. */
export interface Spool {
  /**
   * Takes a report under the next sequence. Resolves when it is as safe as it can be made: on disk, or in memory where the disk
   * refuses. Never rejects on what a disk may do.
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

type Place =
  | { readonly kind: "disk"; readonly segment: Segment; readonly offset: number; readonly frameBytes: number }
  | { readonly kind: "memory"; readonly payload: Uint8Array; readonly keptNs: number };

interface HeldRecord extends SpoolRecord {
  place: Place;
  released: boolean;
}

interface Segment {
  readonly number: number;
  readonly records: HeldRecord[];
  heldRecords: number;
  bytes: number;
  ackBytes: number;
  /** Monotonic time of the last write, ns; below zero for one written before this start. */
  writtenNs: number;
  readonly ackQueue: number[];
}

/** Opens the spool; never rejects on what a disk may do: what cannot be read is left alone. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const spool = new DiskSpool(options);
  await spool.open();
  return spool;
}

class DiskSpool implements Spool {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #bootId: Uint8Array;
  readonly #onEvent: (event: SpoolEvent) => void;
  readonly #maxBytes: number;
  readonly #maxAgeNs: number;
  readonly #memoryMaxBytes: number;
  readonly #segmentMaxBytes: number;

  /** Oldest first; the last one is written to while `#handle` is open. */
  readonly #segments: Segment[] = [];
  readonly #memory: HeldRecord[] = [];
  #handle: FileHandle | undefined;
  #nextNumber = 1;
  #nextOrdinal = 0;
  #sequence = 0;
  #memoryBytes = 0;
  #droppedReports = 0;
  #corruptRecords = 0;
  #unreadableReads = 0;
  /** Whether the last read failed for now. */
  #isUnreadable = false;
  #waiting = 0;
  /** Monotonic time before which a disk that refused is left alone; undefined while it accepts. */
  #retryNs: number | undefined;
  #acksScheduled = false;
  /** Everything that writes happens in this order. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: SpoolOptions) {
    const {
      maxBytes = SPOOL_MAX_BYTES,
      maxAgeHours = SPOOL_MAX_AGE_HOURS,
      memoryMaxBytes = MEMORY_MAX_BYTES,
    } = options;
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#bootId = options.bootId;
    this.#onEvent = options.onEvent;
    this.#maxBytes = maxBytes;
    this.#maxAgeNs = maxAgeHours * MS_PER_HOUR * NS_PER_MS;
    this.#memoryMaxBytes = memoryMaxBytes;
    this.#segmentMaxBytes = Math.min(SEGMENT_MAX_BYTES, Math.ceil(maxBytes / 16));
  }

  async open(): Promise<void> {
    try {
      makeDirectory(this.#directory);
      await this.#loadAll(await readdir(this.#directory));
    } catch (error) {
      this.#refuseDisk(error);
    }
    await this.#keepBounds(0);
  }

  async append(payload: Uint8Array): Promise<Kept> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    if (this.#waiting >= WAITING_MAX) {
      this.#drop(1, "disk-hangs");
      return { sequence, where: "dropped" };
    }
    this.#waiting += 1;
    return this.#enqueue(async () => {
      this.#waiting -= 1;
      return { sequence, where: await this.#store(sequence, payload) };
    });
  }

  nextAfter(ordinal: number): SpoolRecord | undefined {
    for (const { records, heldRecords } of this.#segments) {
      if (heldRecords === 0 || (records.at(-1)?.ordinal ?? -1) <= ordinal) continue;
      const found = records.find((record) => record.ordinal > ordinal && !record.released);
      if (found !== undefined) return found;
    }
    return this.#memory.find((record) => record.ordinal > ordinal && !record.released);
  }

  nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  async read(record: SpoolRecord): Promise<SpoolRead> {
    const held = record as HeldRecord;
    if (held.released) return { kind: "gone" };
    const { place } = held;
    if (place.kind === "memory") return { kind: "report", payload: place.payload };
    const read = await readFrame(this.#directory, place.segment.number, place.offset, place.frameBytes);
    // Dropped while it was being read: counted there.
    if (held.released) return { kind: "gone" };
    if (read.kind === "unreadable") {
      this.#noteUnreadable(read.code);
      return { kind: "unreadable" };
    }
    if (read.kind === "gone") return this.#lose(record, "gone");
    this.#noteReadable();
    if (read.kind === "frame" && read.frame.sequence === held.sequence) {
      return { kind: "report", payload: read.frame.payload };
    }
    this.#corruptRecords += 1;
    return this.#lose(record, "damaged");
  }

  #lose(record: SpoolRecord, why: "damaged" | "gone"): SpoolRead {
    this.#drop(1, why);
    this.release(record);
    return { kind: "gone" };
  }

  #noteUnreadable(code: string): void {
    this.#unreadableReads += 1;
    if (this.#isUnreadable) return;
    this.#isUnreadable = true;
    this.#onEvent({ kind: "disk-unreadable", code });
  }

  #noteReadable(): void {
    if (!this.#isUnreadable) return;
    this.#isUnreadable = false;
    this.#onEvent({ kind: "disk-readable" });
  }

  release(record: SpoolRecord): void {
    const held = record as HeldRecord;
    if (held.released) return;
    held.released = true;
    const { place } = held;
    if (place.kind === "memory") {
      this.#memoryBytes -= place.payload.length;
      this.#memory.splice(this.#memory.indexOf(held), 1);
      return;
    }
    place.segment.heldRecords -= 1;
    place.segment.ackQueue.push(place.offset);
    if (this.#acksScheduled) return;
    this.#acksScheduled = true;
    void this.#enqueue(() => this.#settleAcks());
  }

  stats(): SpoolStats {
    let heldReports = this.#memory.length;
    let heldOfThisBoot = this.#memory.length;
    let heldBytes = this.#memoryBytes;
    for (const { heldRecords, bytes, ackBytes, records } of this.#segments) {
      heldReports += heldRecords;
      heldBytes += bytes + ackBytes;
      if (records[0]?.bootId === this.#bootId) heldOfThisBoot += heldRecords;
    }
    return {
      heldBytes,
      heldReports,
      heldOfThisBoot,
      memoryReports: this.#memory.length,
      droppedReports: this.#droppedReports,
      corruptRecords: this.#corruptRecords,
      unreadableReads: this.#unreadableReads,
    };
  }

  async close(): Promise<void> {
    await this.#enqueue(async () => {
      await this.#settleAcks();
      await this.#closeHandle();
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.then(() => {});
    return done;
  }

  async #loadAll(fileNames: readonly string[]): Promise<void> {
    const numbers = fileNames.map(segmentNumber).filter((number) => number !== undefined);
    for (const number of numbers.sort((a, b) => a - b)) {
      this.#nextNumber = number + 1;
      // One unreadable segment does not hide the others; it is left alone, and read at the next start.
      await this.#load(number).catch(() => {
        this.#unreadableReads += 1;
      });
    }
  }

  async #load(number: number): Promise<void> {
    const loaded = await loadSegment(this.#directory, number);
    this.#corruptRecords += loaded.corruptFrames;
    // Wall times are compared here alone, where no monotonic reading reaches back; a clock that went back gives no age.
    const ageNs = Math.max(0, this.#clock.wallMs() - loaded.writtenAtMs) * NS_PER_MS;
    const mostNs = this.#maxAgeNs - Math.min(AGED_GRACE_MS * NS_PER_MS, this.#maxAgeNs / 2);
    const segment: Segment = {
      number,
      records: [],
      heldRecords: 0,
      bytes: 0,
      ackBytes: 0,
      writtenNs: this.#clock.monotonicNs() - Math.min(ageNs, mostNs),
      ackQueue: [],
    };
    segment.bytes = loaded.diskBytes;
    for (const { offset, frame } of loaded.found) {
      if (loaded.ackedOffsets.has(offset)) continue;
      const { bootId, sequence, frameBytes } = frame;
      this.#admit(segment, { bootId, sequence, place: { kind: "disk", segment, offset, frameBytes } });
    }
    if (segment.heldRecords === 0) await removeSegment(this.#directory, number);
    else this.#segments.push(segment);
  }

  #admit(segment: Segment, record: Pick<HeldRecord, "bootId" | "sequence" | "place">): void {
    segment.records.push({ ...record, ordinal: this.#nextOrdinal++, released: false });
    segment.heldRecords += 1;
  }

  async #store(sequence: number, payload: Uint8Array): Promise<"disk" | "memory"> {
    await this.#keepBounds(0);
    const mayTry = this.#retryNs === undefined || this.#clock.monotonicNs() >= this.#retryNs;
    if (!mayTry) {
      this.#keepInMemory(sequence, payload);
      return "memory";
    }
    try {
      await this.#moveMemoryToDisk();
      const { segment, offset, frameBytes } = await this.#write(this.#bootId, sequence, payload);
      this.#admit(segment, { bootId: this.#bootId, sequence, place: { kind: "disk", segment, offset, frameBytes } });
      this.#acceptDisk();
      return "disk";
    } catch (error) {
      await this.#abandonHandle();
      this.#refuseDisk(error);
      this.#keepInMemory(sequence, payload);
      return "memory";
    }
  }

  /** Writes a frame at the end of the current segment, or of a new one. Rejects with the system's error. */
  async #write(bootId: Uint8Array, sequence: number, payload: Uint8Array) {
    const frame = encodeFrame(bootId, sequence, payload);
    await this.#keepBounds(frame.length);
    const segment = await this.#segmentFor(frame.length);
    const offset = segment.bytes;
    if (this.#handle === undefined) throw new Error("a segment is current only while its handle is open");
    await appendFrame(this.#handle, frame, offset);
    segment.bytes += frame.length;
    segment.writtenNs = this.#clock.monotonicNs();
    return { segment, offset, frameBytes: frame.length };
  }

  async #segmentFor(frameBytes: number): Promise<Segment> {
    const current = this.#handle === undefined ? undefined : this.#segments.at(-1);
    if (
      current !== undefined &&
      current.records.length < SEGMENT_MAX_RECORDS &&
      (current.bytes === 0 || current.bytes + frameBytes <= this.#segmentMaxBytes)
    ) {
      return current;
    }
    await this.#closeHandle();
    if (current !== undefined && current.heldRecords === 0) await this.#remove(current);
    const number = this.#nextNumber++;
    this.#handle = await createSegment(this.#directory, number);
    const writtenNs = this.#clock.monotonicNs();
    const segment: Segment = { number, records: [], heldRecords: 0, bytes: 0, ackBytes: 0, writtenNs, ackQueue: [] };
    this.#segments.push(segment);
    return segment;
  }

  async #moveMemoryToDisk(): Promise<void> {
    for (const record of [...this.#memory]) {
      if (record.released || record.place.kind !== "memory") continue;
      const { payload } = record.place;
      const { segment, offset, frameBytes } = await this.#write(record.bootId, record.sequence, payload);
      // Acknowledged while it was being written: it stays on disk as one that nobody waits for.
      if (record.released) {
        segment.ackQueue.push(offset);
        continue;
      }
      this.#memory.splice(this.#memory.indexOf(record), 1);
      this.#memoryBytes -= payload.length;
      record.place = { kind: "disk", segment, offset, frameBytes };
      segment.records.push(record);
      segment.heldRecords += 1;
    }
  }

  #keepInMemory(sequence: number, payload: Uint8Array): void {
    const keptNs = this.#clock.monotonicNs();
    for (;;) {
      const oldest = this.#memory[0];
      if (oldest?.place.kind !== "memory") break;
      const tooOld = keptNs - oldest.place.keptNs > this.#maxAgeNs;
      if (!tooOld && this.#memoryBytes + payload.length <= this.#memoryMaxBytes) break;
      oldest.released = true;
      this.#memory.shift();
      this.#memoryBytes -= oldest.place.payload.length;
      this.#drop(1, tooOld ? "too-old" : "memory-full");
    }
    const place = { kind: "memory", payload, keptNs } as const;
    this.#memory.push({ ordinal: this.#nextOrdinal++, bootId: this.#bootId, sequence, released: false, place });
    this.#memoryBytes += payload.length;
  }

  /** Makes room for `incomingBytes` and lets go of what is too old. */
  async #keepBounds(incomingBytes: number): Promise<void> {
    for (;;) {
      const oldest = this.#segments[0];
      if (oldest === undefined) return;
      const tooOld = this.#clock.monotonicNs() - oldest.writtenNs > this.#maxAgeNs;
      if (!tooOld && !this.#isOver(incomingBytes)) return;
      if (this.#segments.length === 1) await this.#closeHandle();
      const dropped = oldest.records.filter((record) => !record.released);
      for (const record of dropped) record.released = true;
      oldest.heldRecords = 0;
      await this.#remove(oldest);
      if (dropped.length > 0) this.#drop(dropped.length, tooOld ? "too-old" : "full");
    }
  }

  #isOver(incomingBytes: number): boolean {
    let bytes = incomingBytes;
    let records = 0;
    for (const segment of this.#segments) {
      bytes += segment.bytes + segment.ackBytes;
      records += segment.records.length;
    }
    return bytes > this.#maxBytes || records >= SPOOL_MAX_RECORDS;
  }

  async #settleAcks(): Promise<void> {
    this.#acksScheduled = false;
    for (const segment of [...this.#segments]) {
      const offsets = segment.ackQueue.splice(0);
      const isCurrent = this.#handle !== undefined && segment === this.#segments.at(-1);
      if (segment.heldRecords === 0 && !isCurrent) {
        await this.#remove(segment);
        continue;
      }
      if (offsets.length === 0) continue;
      segment.ackBytes += offsets.length * ACK_BYTES;
      // An acknowledgement that cannot be kept costs a report that is sent again.
      await appendAcks(this.#directory, segment.number, offsets).catch(() => {});
    }
  }

  async #remove(segment: Segment): Promise<void> {
    const at = this.#segments.indexOf(segment);
    if (at >= 0) this.#segments.splice(at, 1);
    await removeSegment(this.#directory, segment.number);
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }

  /** After a failed write nothing is known of the segment's end: cut it back to what is known, and never write to it again. */
  async #abandonHandle(): Promise<void> {
    const segment = this.#segments.at(-1);
    if (this.#handle === undefined || segment === undefined) return;
    await this.#handle.truncate(segment.bytes).catch(() => {});
    await this.#closeHandle();
    if (segment.heldRecords === 0) await this.#remove(segment);
  }

  #refuseDisk(error: unknown): void {
    const wasAccepting = this.#retryNs === undefined;
    this.#retryNs = this.#clock.monotonicNs() + DISK_RETRY_MS * NS_PER_MS;
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    // Without a system's code it is no disk's doing.
    if (code === undefined) throw error;
    if (wasAccepting) this.#onEvent({ kind: "disk-refused", code });
  }

  #acceptDisk(): void {
    if (this.#retryNs === undefined) return;
    this.#retryNs = undefined;
    this.#onEvent({ kind: "disk-accepted" });
  }

  #drop(reports: number, why: "full" | "too-old" | "memory-full" | "disk-hangs" | "damaged" | "gone"): void {
    this.#droppedReports += reports;
    this.#onEvent({ kind: "dropped", reports, why });
  }
}
