/**
 * The disk's ring of segments, oldest first.
 *
 * 1. Only the last segment is written to, and only while its file is open. A segment whose write failed is never
 *    written to again.
 * 2. The ring is bounded in bytes, records and age. The oldest segment is removed first, with all it still holds.
 * 3. An empty segment is removed, unless it is the one that is written to.
 *
 * The caller runs one operation at a time; only `release` may run beside another.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { systemCode } from "../state/system-code.ts";
import { ACK_BYTES, appendAcks } from "./acks.ts";
import {
  AGED_GRACE_MS,
  SEGMENT_MAX_BYTES,
  SEGMENT_MAX_RECORDS,
  SEGMENTS_MAX,
  SEGMENTS_MIN,
  SPOOL_MAX_RECORDS,
} from "./bounds.ts";
import type { RecordIndex } from "./record-index.ts";
import { appendFrame, createSegment, type LoadedSegment, type OpenSegment, removeSegment } from "./segment.ts";
import { type DiskPlace, keyOf, type PlacedRecord, type Segment } from "./spool-record.ts";

/** What a {@link Ring} needs. */
export interface RingOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly index: RecordIndex;
  readonly maxBytes: number;
  readonly maxAgeNs: number;
  readonly onDrop: (reports: number, why: "full" | "too-old" | "gone") => void;
  /**
   * Makes the directory where it is missing. Resolves with a number above every segment's in it. Rejects with the
   * system's error.
   */
  readonly newNumber: () => Promise<number>;
  /** Another directory has taken the place of this one. */
  readonly onReplaced: () => void;
  /** Damaged regions were found in a segment. */
  readonly onDamage: (regions: number) => void;
}

/** Keeps reports on the disk. */
export class Ring {
  readonly #options: RingOptions;
  readonly #segmentMaxBytes: number;
  /** Oldest first. The last one is written to while `#open` is set. */
  readonly #segments: Segment[] = [];
  /** Segments with acknowledgements to write, or to be removed. */
  readonly #unsettled = new Set<Segment>();
  #open: OpenSegment | undefined;
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

  /** Writes a frame at the end of the current segment, or of a new one. Rejects with the system's error. */
  async write(frame: Uint8Array): Promise<DiskPlace> {
    await this.keepBounds(frame.length);
    const { open, segment } = await this.#segmentFor(frame.length);
    const offset = segment.bytes;
    await appendFrame(open, frame, offset);
    segment.bytes += frame.length;
    this.#bytes += frame.length;
    segment.writtenNs = this.#options.clock.monotonicNs();
    return { kind: "disk", segment, offset, frameBytes: frame.length };
  }

  /**
   * Takes what a segment of an earlier start still holds, except reports that are `known` already. What exceeds the
   * bounds is dropped at once: a directory may have any number of segments.
   */
  async take(number: number, loaded: LoadedSegment, known: Set<string>, isRecovered: boolean): Promise<void> {
    const { clock, index, maxAgeNs, onDamage } = this.#options;
    onDamage(loaded.corruptFrames);
    // Wall times are compared only here, where no monotonic reading reaches back. A clock that was set back gives an
    // age of 0.
    const ageNs = Math.max(0, clock.wallMs() - loaded.writtenAtMs) * NS_PER_MS;
    const mostNs = maxAgeNs - Math.min(AGED_GRACE_MS * NS_PER_MS, maxAgeNs / 2);
    const segment = emptySegment(number, clock.monotonicNs() - Math.min(ageNs, mostNs));
    segment.bytes = loaded.diskBytes;
    this.#bytes += segment.bytes;
    const newer = this.#segments.findIndex((other) => other.number > number);
    this.#segments.splice(newer < 0 ? this.#segments.length : newer, 0, segment);
    for (const { offset, frame } of loaded.found) {
      // A report whose write seemed to fail is there twice when it could not be truncated.
      if (loaded.ackedOffsets.has(offset) || known.has(keyOf(frame))) continue;
      known.add(keyOf(frame));
      const { sequence, frameBytes } = frame;
      // One array for all records: a segment is written by one start.
      const before = segment.records.at(-1)?.bootId;
      const bootId = before !== undefined && Buffer.compare(before, frame.bootId) === 0 ? before : frame.bootId;
      const place = { kind: "disk", segment, offset, frameBytes } as const;
      this.hold(index.add({ bootId, sequence, place, isRecovered }), place);
    }
    if (segment.heldRecords === 0) await this.#remove(segment);
    await this.keepBounds(0);
  }

  /** Notes that a record is where its frame was written. */
  hold(record: PlacedRecord, { segment }: DiskPlace): void {
    segment.records.push(record);
    segment.heldRecords += 1;
    this.#records += 1;
  }

  /** Notes that a record is settled: {@link settle} writes the acknowledgement. */
  release({ segment, offset }: DiskPlace): void {
    segment.heldRecords -= 1;
    segment.ackQueue.push(offset);
    this.#unsettled.add(segment);
  }

  /** Makes room for `incomingBytes`, and drops what is too old. */
  async keepBounds(incomingBytes: number): Promise<void> {
    const { clock, maxAgeNs } = this.#options;
    for (let oldest = this.#segments[0]; oldest !== undefined; oldest = this.#segments[0]) {
      const tooOld = clock.monotonicNs() - oldest.writtenNs > maxAgeNs;
      if (!tooOld && !this.#isOver(incomingBytes)) return;
      if (this.#segments.length === 1) await this.#close();
      this.#dropAll(oldest, tooOld ? "too-old" : "full");
      await this.#remove(oldest);
    }
  }

  /** Writes acknowledgements, and removes empty segments. */
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
      // An acknowledgement that is not written costs one report that is sent again.
      await appendAcks(this.#options.directory, segment.number, offsets).catch(() => {});
    }
  }

  /**
   * After a failed write the end of the segment is not known: truncate it to what is known, and never write to it
   * again. Its records are dropped when its file has lost its name. When another file has the name, another directory
   * has taken this one's place, and everything in this one is gone.
   */
  async abandon(error: unknown): Promise<void> {
    const segment = this.#segments.at(-1);
    if (this.#open === undefined || segment === undefined) return;
    await this.#open.handle.truncate(segment.bytes).catch(() => {});
    await this.#close();
    const code = systemCode(error);
    if (code === "ESTALE") return this.#abandonAll();
    if (code === "ENOENT") this.#dropAll(segment, "gone");
    if (segment.heldRecords === 0) await this.#remove(segment);
  }

  /** Drops every record: the directory's files are no longer this ring's. Recovery finds those there. */
  #abandonAll(): void {
    for (const segment of this.#segments.splice(0)) {
      this.#dropAll(segment, "gone");
      this.#unsettled.delete(segment);
    }
    this.#bytes = 0;
    this.#records = 0;
    this.#options.onReplaced();
  }

  /** Closes the file that is written to. */
  close(): Promise<void> {
    return this.#close();
  }

  /** The segment a frame of so many bytes goes to, with its open file. */
  async #segmentFor(frameBytes: number): Promise<{ open: OpenSegment; segment: Segment }> {
    const current = this.#segments.at(-1);
    if (this.#open !== undefined && current !== undefined) {
      const hasRoom = current.bytes === 0 || current.bytes + frameBytes <= this.#segmentMaxBytes;
      if (hasRoom && current.records.length < SEGMENT_MAX_RECORDS) return { open: this.#open, segment: current };
      await this.#close();
      if (current.heldRecords === 0) await this.#remove(current);
    }
    const number = await this.#options.newNumber();
    const open = await createSegment(this.#options.directory, number);
    this.#open = open;
    const segment = emptySegment(number, this.#options.clock.monotonicNs());
    this.#segments.push(segment);
    return { open, segment };
  }

  #isOver(incomingBytes: number): boolean {
    if (this.#bytes + incomingBytes > this.#options.maxBytes) return true;
    return this.#records >= SPOOL_MAX_RECORDS || this.#segments.length >= SEGMENTS_MAX;
  }

  #isCurrent(segment: Segment): boolean {
    return this.#open !== undefined && segment === this.#segments.at(-1);
  }

  #dropAll(segment: Segment, why: "full" | "too-old" | "gone"): void {
    const dropped = segment.records.filter((record) => this.#options.index.release(record)).length;
    segment.heldRecords = 0;
    if (dropped > 0) this.#options.onDrop(dropped, why);
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

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.handle.close().catch(() => {});
  }
}

function emptySegment(number: number, writtenNs: number): Segment {
  return { number, records: [], heldRecords: 0, bytes: 0, ackBytes: 0, writtenNs, ackQueue: [] };
}
