/**
 * Writes to the disk, one operation after another. Nothing else writes.
 *
 * 1. A report goes to the disk after those that wait in memory, so the order on disk is the order in which reports were
 *    made.
 * 2. A disk that cannot be written, or does not answer within {@link DISK_HANGS_MS}, costs durability only: the report
 *    is in memory then, from where it can be sent. A write that hung and then succeeds counts as written.
 */
import type { Clock } from "@lifeline/measure";
import { DISK_HANGS_MS } from "./bounds.ts";
import type { DiskState } from "./disk-state.ts";
import { encodeFrame } from "./frame.ts";
import type { MemorySpool } from "./memory-spool.ts";
import { type PackedReport, packReport } from "./packing.ts";
import type { RecordIndex } from "./record-index.ts";
import type { Recovery } from "./recovery.ts";
import type { Ring } from "./ring.ts";
import type { Kept } from "./spool-interface.ts";
import type { DiskPlace, PlacedRecord } from "./spool-record.ts";

/** What a {@link Writer} works with. */
export interface WriterOptions {
  readonly clock: Clock;
  readonly bootId: Uint8Array;
  readonly index: RecordIndex;
  readonly disk: DiskState;
  readonly ring: Ring;
  readonly recovery: Recovery;
  readonly memory: MemorySpool;
}

/** A report that is to be written. */
interface Incoming {
  readonly sequence: number;
  readonly packed: PackedReport;
  /** Its record, once it is in memory. */
  inMemory: PlacedRecord | undefined;
}

/** Takes reports, and moves them between memory and disk. */
export class Writer {
  readonly #options: WriterOptions;
  /** Reports of which it is not known yet whether they are on disk. */
  readonly #incoming = new Set<Incoming>();
  #sequence = 0;
  #settleIsDue = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Adds a report under the next sequence. Never rejects on a fault of the disk. */
  async append(report: Uint8Array): Promise<Kept> {
    const { clock, disk } = this.#options;
    this.#sequence += 1;
    const sequence = this.#sequence;
    const incoming: Incoming = { sequence, packed: packReport(report), inMemory: undefined };
    if (disk.isHanging()) {
      this.#keepInMemory(incoming);
      return { sequence, where: "memory" };
    }
    this.#incoming.add(incoming);
    const stored = this.#enqueue(() => this.#store(incoming)).finally(() => this.#incoming.delete(incoming));
    const { promise: hung, resolve } = Promise.withResolvers<"memory">();
    const timer = clock.after(DISK_HANGS_MS, () => {
      this.#stopWaiting();
      resolve("memory");
    });
    const where = await Promise.race([stored, hung]).finally(() => timer.cancel());
    return { sequence, where };
  }

  /** Writes the acknowledgement of a frame soon. */
  settleLater(place: DiskPlace): void {
    this.#options.ring.release(place);
    if (this.#settleIsDue) return;
    this.#settleIsDue = true;
    void this.#enqueue(() => this.#settle());
  }

  /** Writes what is still to be written, and closes the files. */
  close(): Promise<void> {
    const { ring, memory } = this.#options;
    return this.#enqueue(async () => {
      // The last chance for the reports in memory, whenever the disk was last tried.
      if (memory.reports > 0) await this.#tryDisk(async () => {});
      await this.#settle();
      await ring.close();
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.then(() => {});
    return done;
  }

  async #settle(): Promise<void> {
    this.#settleIsDue = false;
    await this.#options.ring.settle();
  }

  /** The disk does not answer: the reports that wait for it are in memory from now on. */
  #stopWaiting(): void {
    this.#options.disk.hangs();
    for (const incoming of this.#incoming) this.#keepInMemory(incoming);
  }

  #keepInMemory(incoming: Incoming): void {
    const { memory, bootId } = this.#options;
    incoming.inMemory ??= memory.keep(bootId, incoming.sequence, incoming.packed);
  }

  async #store(incoming: Incoming): Promise<"disk" | "memory"> {
    const { ring, recovery, disk } = this.#options;
    await ring.keepBounds(0);
    await recovery.retry();
    // A write that hung has ended by now.
    disk.answered();
    if (disk.mayTry() && (await this.#tryDisk(() => this.#write(incoming)))) return "disk";
    this.#keepInMemory(incoming);
    return "memory";
  }

  /** Writes the reports in memory, and then does `work`; false when the disk cannot be written. */
  async #tryDisk(work: () => Promise<void>): Promise<boolean> {
    const { ring, disk, memory } = this.#options;
    try {
      for (const waiting of memory.records()) await this.#moveToDisk(waiting);
      await work();
      disk.accepted();
      return true;
    } catch (error) {
      await ring.abandon(error);
      disk.refused(error);
      return false;
    }
  }

  async #write(incoming: Incoming): Promise<void> {
    const { index, bootId } = this.#options;
    if (incoming.inMemory !== undefined) return this.#moveToDisk(incoming.inMemory);
    const { sequence, packed } = incoming;
    const place = await this.#writeFrame(bootId, sequence, packed);
    // The report may have been added to memory while it was being written.
    this.#holdOnDisk(incoming.inMemory ?? index.add({ bootId, sequence, place }), place);
  }

  async #moveToDisk(record: PlacedRecord): Promise<void> {
    const { place, bootId, sequence, isReleased } = record;
    if (isReleased || place.kind !== "memory") return;
    this.#holdOnDisk(record, await this.#writeFrame(bootId, sequence, place.packed));
  }

  #writeFrame(bootId: Uint8Array, sequence: number, { bytes, isDeflated }: PackedReport): Promise<DiskPlace> {
    return this.#options.ring.write(encodeFrame(bootId, sequence, bytes, isDeflated));
  }

  #holdOnDisk(record: PlacedRecord, place: DiskPlace): void {
    const { ring, memory } = this.#options;
    if (record.place.kind === "memory") memory.remove(record, record.place);
    record.place = place;
    ring.hold(record, place);
    // Released while it was being written: its frame on disk is to be acknowledged.
    if (record.isReleased) this.settleLater(place);
  }
}
