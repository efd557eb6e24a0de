/**
 * The one hand that writes: everything that touches the disk is done by it, one after another.
 *
 * 1. A report goes to the disk behind those that wait in memory, so that the order of the disk is the order of making.
 * 2. A disk that refuses, or does not answer within {@link DISK_HANGS_MS}, costs durability alone: the report is in memory then, where
 *    it can be sent. What hung and ends well after all is on the disk.
 */
import type { Clock } from "@lifeline/measure";
import { DISK_HANGS_MS } from "./bounds.ts";
import type { DiskState } from "./disk-state.ts";
import { encodeFrame } from "./frame.ts";
import type { Standby } from "./memory-spool.ts";
import { type PackedReport, packReport } from "./packing.ts";
import type { RecordIndex } from "./record-index.ts";
import type { Recovery } from "./recovery.ts";
import type { Ring } from "./ring.ts";
import type { Kept } from "./spool-interface.ts";
import type { DiskPlace, HeldRecord } from "./spool-record.ts";

/** What a {@link Writer} works with. */
export interface WriterOptions {
  readonly clock: Clock;
  readonly bootId: Uint8Array;
  readonly index: RecordIndex;
  readonly disk: DiskState;
  readonly ring: Ring;
  readonly recovery: Recovery;
  readonly standby: Standby;
}

/** A report on its way to the disk. */
interface Incoming {
  readonly sequence: number;
  readonly packed: PackedReport;
  /** Its record, once it is in memory. */
  inMemory: HeldRecord | undefined;
}

/** Takes reports, and moves them between memory and disk. */
export class Writer {
  readonly #options: WriterOptions;
  /** Appended, and neither on disk nor known not to be. */
  readonly #incoming = new Set<Incoming>();
  #sequence = 0;
  #settleIsDue = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Takes a report under the next sequence. Never rejects on what a disk may do. */
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

  /** Has it written down, soon, that nobody waits for a frame any more. */
  settleLater(place: DiskPlace): void {
    this.#options.ring.release(place);
    if (this.#settleIsDue) return;
    this.#settleIsDue = true;
    void this.#enqueue(() => this.#settle());
  }

  /** Writes what is still to be written, and closes the files. */
  close(): Promise<void> {
    const { ring, standby } = this.#options;
    return this.#enqueue(async () => {
      // The last chance of what is in memory, whenever the disk was tried last.
      if (standby.reports > 0) await this.#tryDisk(async () => {});
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

  /** The disk does not answer: what waits for it is in memory from now on. */
  #stopWaiting(): void {
    this.#options.disk.hangs();
    for (const incoming of this.#incoming) this.#keepInMemory(incoming);
  }

  #keepInMemory(incoming: Incoming): void {
    const { standby, bootId } = this.#options;
    incoming.inMemory ??= standby.keep(bootId, incoming.sequence, incoming.packed);
  }

  async #store(incoming: Incoming): Promise<"disk" | "memory"> {
    const { ring, recovery, disk } = this.#options;
    await ring.keepBounds(0);
    await recovery.retry();
    // What hung, if anything did, has come to its end.
    disk.answered();
    if (disk.mayTry() && (await this.#tryDisk(() => this.#write(incoming)))) return "disk";
    this.#keepInMemory(incoming);
    return "memory";
  }

  /** What waits in memory goes to the disk first, then `work` is done there; false when the disk refuses either. */
  async #tryDisk(work: () => Promise<void>): Promise<boolean> {
    const { ring, disk, standby } = this.#options;
    try {
      for (const waiting of standby.records()) await this.#moveToDisk(waiting);
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
    // It may have come to memory while it was being written.
    this.#holdOnDisk(incoming.inMemory ?? index.add({ bootId, sequence, place }), place);
  }

  async #moveToDisk(record: HeldRecord): Promise<void> {
    const { place, bootId, sequence, isReleased } = record;
    if (isReleased || place.kind !== "memory") return;
    this.#holdOnDisk(record, await this.#writeFrame(bootId, sequence, place.packed));
  }

  #writeFrame(bootId: Uint8Array, sequence: number, { bytes, isDeflated }: PackedReport): Promise<DiskPlace> {
    return this.#options.ring.write(encodeFrame(bootId, sequence, bytes, isDeflated));
  }

  #holdOnDisk(record: HeldRecord, place: DiskPlace): void {
    const { ring, standby } = this.#options;
    if (record.place.kind === "memory") standby.forget(record, record.place);
    record.place = place;
    ring.hold(record, place);
    // Let go of while it was being written: it stays on disk as one that nobody waits for.
    if (record.isReleased) this.settleLater(place);
  }
}
