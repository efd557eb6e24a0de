/**
 * The disk's ring of segments, oldest first.
 *
 * 1. Only the last segment is written to, and only while its file is open; what failed once is never written to again.
 * 2. Bounded in bytes, records and age: the oldest segment goes first, with all it still holds.
 * 3. A segment that holds nothing more goes as soon as it is not the one that is written to.
 *
 * Whoever calls sees to it that nothing here runs beside another but `release`.
 */
import type { FileHandle } from "node:fs/promises";
import { readdir } from "node:fs/promises";
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { makeDirectory } from "../make-directory.ts";
import { AGED_GRACE_MS, SEGMENT_MAX_BYTES, SEGMENT_MAX_RECORDS, SEGMENTS_MIN, SPOOL_MAX_RECORDS } from "./bounds.ts";
import type { DiskPlace, HeldRecord, Segment } from "./held-record.ts";
import type { RecordIndex } from "./record-index.ts";
import {
  ACK_BYTES,
  appendAcks,
  appendFrame,
  createSegment,
  loadSegment,
  removeSegment,
  segmentNumber,
} from "./segment.ts";

/** What a {@link Ring} needs. */
export interface RingOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly index: RecordIndex;
  readonly maxBytes: number;
  readonly maxAgeNs: number;
  readonly onDrop: (reports: number, why: "full" | "too-old") => void;
  /** Damaged stretches were found in a segment. */
  readonly onDamage: (stretches: number) => void;
  /** A segment could not be read. */
  readonly onUnreadable: () => void;
}

/** Keeps reports on the disk. */
export class Ring {
  readonly #options: RingOptions;
  readonly #segmentMaxBytes: number;
  /** Oldest first; the last one is written to while `#handle` is open. */
  readonly #segments: Segment[] = [];
  /** Those with something to write down or to remove. */
  readonly #unsettled = new Set<Segment>();
  #handle: FileHandle | undefined;
  #nextNumber = 1;
  #bytes = 0;
  #records = 0;

  constructor(options: RingOptions) {
    this.#options = options;
    this.#segmentMaxBytes = Math.min(SEGMENT_MAX_BYTES, Math.ceil(options.maxBytes / SEGMENTS_MIN));
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Finds what earlier starts left. Rejects with the system's error when the directory cannot be had. */
  async open(): Promise<void> {
    makeDirectory(this.#options.directory);
    const numbers = (await readdir(this.#options.directory))
      .map(segmentNumber)
      .filter((number) => number !== undefined);
    for (const number of numbers.sort((a, b) => a - b)) {
      this.#nextNumber = number + 1;
      // One unreadable segment does not hide the others; it is left alone, and read at the next start.
      await this.#load(number).catch(() => this.#options.onUnreadable());
    }
  }

  /** Writes a frame at the end of the current segment, or of a new one. Rejects with the system's error. */
  async write(frame: Uint8Array): Promise<DiskPlace> {
    await this.keepBounds(frame.length);
    const { handle, segment } = await this.#segmentFor(frame.length);
    const offset = segment.bytes;
    await appendFrame(handle, frame, offset);
    segment.bytes += frame.length;
    this.#bytes += frame.length;
    segment.writtenNs = this.#options.clock.monotonicNs();
    return { kind: "disk", segment, offset, frameBytes: frame.length };
  }

  /** Notes that a record is where its frame was written. */
  hold(record: HeldRecord, { segment }: DiskPlace): void {
    segment.records.push(record);
    segment.heldRecords += 1;
    this.#records += 1;
  }

  /** Notes that a record is not waited for any more: {@link settle} writes it down. */
  release({ segment, offset }: DiskPlace): void {
    segment.heldRecords -= 1;
    segment.ackQueue.push(offset);
    this.#unsettled.add(segment);
  }

  /** Makes room for `incomingBytes` and lets go of what is too old. */
  async keepBounds(incomingBytes: number): Promise<void> {
    const { clock, index, maxAgeNs, onDrop } = this.#options;
    for (let oldest = this.#segments[0]; oldest !== undefined; oldest = this.#segments[0]) {
      const tooOld = clock.monotonicNs() - oldest.writtenNs > maxAgeNs;
      if (!tooOld && !this.#isOver(incomingBytes)) return;
      if (this.#segments.length === 1) await this.#closeHandle();
      let dropped = 0;
      for (const record of oldest.records) if (index.release(record)) dropped += 1;
      await this.#remove(oldest);
      if (dropped > 0) onDrop(dropped, tooOld ? "too-old" : "full");
    }
  }

  /** Writes down what was released, and removes what holds nothing more. */
  async settle(): Promise<void> {
    const unsettled = [...this.#unsettled];
    this.#unsettled.clear();
    for (const segment of unsettled) {
      if (segment.heldRecords === 0 && !this.#isCurrent(segment)) {
        await this.#remove(segment);
        continue;
      }
      const offsets = segment.ackQueue.splice(0);
      segment.ackBytes += offsets.length * ACK_BYTES;
      this.#bytes += offsets.length * ACK_BYTES;
      // An acknowledgement that cannot be kept costs a report that is sent again.
      await appendAcks(this.#options.directory, segment.number, offsets).catch(() => {});
    }
  }

  /** After a failed write nothing is known of the segment's end: cut it back to what is known, and never write to it again. */
  async abandon(): Promise<void> {
    const segment = this.#segments.at(-1);
    if (this.#handle === undefined || segment === undefined) return;
    await this.#handle.truncate(segment.bytes).catch(() => {});
    await this.#closeHandle();
    if (segment.heldRecords === 0) await this.#remove(segment);
  }

  /** Closes the file that is written to. */
  close(): Promise<void> {
    return this.#closeHandle();
  }

  async #load(number: number): Promise<void> {
    const { directory, clock, index, maxAgeNs, onDamage } = this.#options;
    const loaded = await loadSegment(directory, number);
    onDamage(loaded.corruptFrames);
    // Wall times are compared here alone, where no monotonic reading reaches back; a clock that went back gives no age.
    const ageNs = Math.max(0, clock.wallMs() - loaded.writtenAtMs) * NS_PER_MS;
    const mostNs = maxAgeNs - Math.min(AGED_GRACE_MS * NS_PER_MS, maxAgeNs / 2);
    const segment = emptySegment(number, clock.monotonicNs() - Math.min(ageNs, mostNs));
    segment.bytes = loaded.diskBytes;
    this.#bytes += segment.bytes;
    this.#segments.push(segment);
    for (const { offset, frame } of loaded.found) {
      if (loaded.ackedOffsets.has(offset)) continue;
      const place = { kind: "disk", segment, offset, frameBytes: frame.frameBytes } as const;
      this.hold(index.add({ bootId: frame.bootId, sequence: frame.sequence, place }), place);
    }
    if (segment.heldRecords === 0) await this.#remove(segment);
  }

  /** The segment a frame of so many bytes goes to, with its open file. */
  async #segmentFor(frameBytes: number): Promise<{ handle: FileHandle; segment: Segment }> {
    const current = this.#segments.at(-1);
    if (this.#handle !== undefined && current !== undefined) {
      const hasRoom = current.bytes === 0 || current.bytes + frameBytes <= this.#segmentMaxBytes;
      if (hasRoom && current.records.length < SEGMENT_MAX_RECORDS) return { handle: this.#handle, segment: current };
      await this.#closeHandle();
      if (current.heldRecords === 0) await this.#remove(current);
    }
    const number = this.#nextNumber++;
    const handle = await createSegment(this.#options.directory, number);
    this.#handle = handle;
    const segment = emptySegment(number, this.#options.clock.monotonicNs());
    this.#segments.push(segment);
    return { handle, segment };
  }

  #isOver(incomingBytes: number): boolean {
    return this.#bytes + incomingBytes > this.#options.maxBytes || this.#records >= SPOOL_MAX_RECORDS;
  }

  #isCurrent(segment: Segment): boolean {
    return this.#handle !== undefined && segment === this.#segments.at(-1);
  }

  async #remove(segment: Segment): Promise<void> {
    const at = this.#segments.indexOf(segment);
    if (at < 0) return;
    this.#segments.splice(at, 1);
    this.#unsettled.delete(segment);
    this.#bytes -= segment.bytes + segment.ackBytes;
    this.#records -= segment.records.length;
    await removeSegment(this.#options.directory, segment.number);
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}

function emptySegment(number: number, writtenNs: number): Segment {
  return { number, records: [], heldRecords: 0, bytes: 0, ackBytes: 0, writtenNs, ackQueue: [] };
}
