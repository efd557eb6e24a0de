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
import { NS_PER_MS } from "@lifeline/measure";
import { MEMORY_MAX_BYTES, SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES, WAITING_MAX } from "./bounds.ts";
import { DiskState } from "./disk-state.ts";
import { encodeFrame } from "./frame.ts";
import type { DiskPlace, HeldRecord, SpoolRecord } from "./held-record.ts";
import { RecordIndex } from "./record-index.ts";
import { Ring } from "./ring.ts";
import { readFrame } from "./segment.ts";
import type { DropReason, Kept, Spool, SpoolOptions, SpoolRead, SpoolStats } from "./spool-interface.ts";
import { Standby } from "./standby.ts";

export { DISK_RETRY_MS } from "./bounds.ts";
export type { SpoolRecord } from "./held-record.ts";
export type { Kept, Spool, SpoolEvent, SpoolOptions, SpoolRead, SpoolStats } from "./spool-interface.ts";

const MS_PER_HOUR = 3_600_000;

/** Opens the spool; never rejects on what a disk may do: what cannot be read is left alone. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const spool = new DiskSpool(options);
  await spool.open();
  return spool;
}

class DiskSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #index: RecordIndex;
  readonly #ring: Ring;
  readonly #standby: Standby;
  readonly #disk: DiskState;
  #sequence = 0;
  #droppedReports = 0;
  #corruptRecords = 0;
  #waiting = 0;
  #settleIsDue = false;
  /** Everything that writes happens in this order. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: SpoolOptions) {
    const {
      directory,
      clock,
      bootId,
      onEvent,
      maxBytes = SPOOL_MAX_BYTES,
      maxAgeHours = SPOOL_MAX_AGE_HOURS,
    } = options;
    const maxAgeNs = maxAgeHours * MS_PER_HOUR * NS_PER_MS;
    const onDrop = (reports: number, why: DropReason) => this.#drop(reports, why);
    this.#options = options;
    this.#disk = new DiskState(clock, onEvent);
    this.#index = new RecordIndex(bootId);
    this.#ring = new Ring({
      directory,
      clock,
      index: this.#index,
      maxBytes,
      maxAgeNs,
      onDrop,
      onDamage: (stretches) => {
        this.#corruptRecords += stretches;
      },
      onUnreadable: () => this.#disk.countUnreadable(),
    });
    const memoryMaxBytes = options.memoryMaxBytes ?? MEMORY_MAX_BYTES;
    this.#standby = new Standby({ clock, index: this.#index, maxBytes: memoryMaxBytes, maxAgeNs, onDrop });
  }

  async open(): Promise<void> {
    try {
      await this.#ring.open();
    } catch (error) {
      this.#disk.refused(error);
    }
    await this.#ring.keepBounds(0);
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
    return this.#index.nextAfter(ordinal);
  }

  nextOrdinal(): number {
    return this.#index.nextOrdinal;
  }

  async read(record: SpoolRecord): Promise<SpoolRead> {
    const held = record as HeldRecord;
    if (held.isReleased) return { kind: "gone" };
    const { place } = held;
    if (place.kind === "memory") return { kind: "report", payload: place.payload };
    const read = await readFrame(this.#options.directory, place.segment.number, place.offset, place.frameBytes);
    // Dropped while it was being read: counted there.
    if (held.isReleased) return { kind: "gone" };
    if (read.kind === "unreadable") {
      this.#disk.unreadable(read.code);
      return { kind: "unreadable" };
    }
    if (read.kind === "gone") return this.#lose(held, "gone");
    this.#disk.readable();
    if (read.kind === "frame" && read.frame.sequence === held.sequence) {
      return { kind: "report", payload: read.frame.payload };
    }
    this.#corruptRecords += 1;
    return this.#lose(held, "damaged");
  }

  release(record: SpoolRecord): void {
    const held = record as HeldRecord;
    if (!this.#index.release(held)) return;
    const { place } = held;
    if (place.kind === "memory") this.#standby.forget(held, place);
    else this.#settleLater(place);
  }

  stats(): SpoolStats {
    return {
      heldBytes: this.#ring.bytes + this.#standby.bytes,
      heldReports: this.#index.size,
      heldOfThisBoot: this.#index.ofThisBoot,
      memoryReports: this.#standby.reports,
      droppedReports: this.#droppedReports,
      corruptRecords: this.#corruptRecords,
      unreadableReads: this.#disk.unreadableReads,
    };
  }

  async close(): Promise<void> {
    await this.#enqueue(async () => {
      await this.#settle();
      await this.#ring.close();
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.then(() => {});
    return done;
  }

  async #store(sequence: number, payload: Uint8Array): Promise<"disk" | "memory"> {
    await this.#ring.keepBounds(0);
    if (this.#disk.mayTry() && (await this.#storeOnDisk(sequence, payload))) return "disk";
    this.#standby.keep(this.#options.bootId, sequence, payload);
    return "memory";
  }

  async #storeOnDisk(sequence: number, payload: Uint8Array): Promise<boolean> {
    const { bootId } = this.#options;
    try {
      for (const waiting of this.#standby.records()) await this.#moveToDisk(waiting);
      const place = await this.#ring.write(encodeFrame(bootId, sequence, payload));
      this.#ring.hold(this.#index.add({ bootId, sequence, place }), place);
      this.#disk.accepted();
      return true;
    } catch (error) {
      await this.#ring.abandon();
      this.#disk.refused(error);
      return false;
    }
  }

  async #moveToDisk(record: HeldRecord): Promise<void> {
    const { place: before, bootId, sequence, isReleased } = record;
    if (isReleased || before.kind !== "memory") return;
    const place = await this.#ring.write(encodeFrame(bootId, sequence, before.payload));
    this.#standby.forget(record, before);
    record.place = place;
    this.#ring.hold(record, place);
    // Acknowledged while it was being written: it stays on disk as one that nobody waits for.
    if (record.isReleased) this.#settleLater(place);
  }

  #settleLater(place: DiskPlace): void {
    this.#ring.release(place);
    if (this.#settleIsDue) return;
    this.#settleIsDue = true;
    void this.#enqueue(() => this.#settle());
  }

  async #settle(): Promise<void> {
    this.#settleIsDue = false;
    await this.#ring.settle();
  }

  #lose(record: HeldRecord, why: "damaged" | "gone"): SpoolRead {
    this.#drop(1, why);
    this.release(record);
    return { kind: "gone" };
  }

  #drop(reports: number, why: DropReason): void {
    this.#droppedReports += reports;
    this.#options.onEvent({ kind: "dropped", reports, why });
  }
}
