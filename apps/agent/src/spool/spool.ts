/**
 * The spool: reports wait here until the collector has made them durable and said so (U1).
 *
 * 1. `append` says `disk` after fdatasync, and after a look that the file still has its name: from then on neither `kill -9` nor a power
 *    cut loses the report.
 * 2. Bounded in bytes, records, segments and age. The oldest segment goes first, and what it still held is counted (U2).
 * 3. A disk that refuses to be written, or does not answer within DISK_HANGS_MS, costs durability, not reports: they wait in bounded
 *    memory, oldest dropped first, and move to the disk when it takes them again. It is tried again every {@link DISK_RETRY_MS}.
 * 4. Age runs by the monotonic clock. What lay here before a start is aged by the wall clock, which may have been set meanwhile: so no
 *    start drops anything for its age alone; what seems too old has AGED_GRACE_MS to be sent.
 * 5. Reports of earlier starts are found again at opening, or when the disk can be read again, with the key they were first given, so
 *    that a report that is sent twice is counted once.
 *
 * `writer` is the one hand that writes; `ring` the segments on disk, `recovery` how they are found again, `standby` the memory,
 * `record-index` what waits in the order of sending, `disk-state` what is said of the disk, `bounds` every number.
 */
import { NS_PER_MS } from "@lifeline/measure";
import { MEMORY_MAX_BYTES, SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES } from "./bounds.ts";
import { DiskState } from "./disk-state.ts";
import type { Frame } from "./frame.ts";
import { Standby } from "./memory-spool.ts";
import { type PackedReport, unpackReport } from "./packing.ts";
import { RecordIndex } from "./record-index.ts";
import { Recovery } from "./recovery.ts";
import { Ring } from "./ring.ts";
import { readFrame } from "./segment.ts";
import type { DropReason, Kept, Spool, SpoolOptions, SpoolRead, SpoolStats } from "./spool-interface.ts";
import type { DiskPlace, HeldRecord, SpoolRecord } from "./spool-record.ts";
import { Writer } from "./writer.ts";

export { DISK_RETRY_MS } from "./bounds.ts";
export type { Kept, Spool, SpoolEvent, SpoolOptions, SpoolRead, SpoolStats } from "./spool-interface.ts";
export type { SpoolRecord } from "./spool-record.ts";

const MS_PER_HOUR = 3_600_000;

/** Opens the spool; never rejects on what a disk may do: what cannot be read is tried again later. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const spool = new DiskSpool(options);
  await spool.open();
  return spool;
}

class DiskSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #index: RecordIndex;
  readonly #ring: Ring;
  readonly #recovery: Recovery;
  readonly #standby: Standby;
  readonly #disk: DiskState;
  readonly #writer: Writer;
  #droppedReports = 0;
  #corruptRecords = 0;

  constructor(options: SpoolOptions) {
    const { directory, clock, bootId, onEvent, maxBytes = SPOOL_MAX_BYTES } = options;
    const { maxAgeHours = SPOOL_MAX_AGE_HOURS, memoryMaxBytes = MEMORY_MAX_BYTES } = options;
    const index = new RecordIndex(bootId);
    const disk = new DiskState(clock, onEvent);
    const onDrop = (reports: number, why: DropReason) => this.#drop(reports, why);
    const bounds = { clock, index, onDrop, maxAgeNs: maxAgeHours * MS_PER_HOUR * NS_PER_MS };
    const ring = new Ring({
      ...bounds,
      directory,
      maxBytes,
      newNumber: () => recovery.newNumber(),
      onReplaced: () => recovery.listAgain(),
      onDamage: (stretches) => {
        this.#corruptRecords += stretches;
      },
    });
    const recovery = new Recovery({
      ...bounds,
      directory,
      take: (...segment) => ring.take(...segment),
      onUnreadable: () => disk.countUnreadable(),
      onGiveUp: (segments) => onEvent({ kind: "given-up", segments }),
    });
    const standby = new Standby({ ...bounds, maxBytes: memoryMaxBytes });
    this.#options = options;
    this.#index = index;
    this.#disk = disk;
    this.#ring = ring;
    this.#recovery = recovery;
    this.#standby = standby;
    this.#writer = new Writer({ clock, bootId, index, disk, ring, recovery, standby });
  }

  async open(): Promise<void> {
    try {
      await this.#recovery.open();
    } catch (error) {
      this.#disk.refused(error);
    }
  }

  append(report: Uint8Array): Promise<Kept> {
    return this.#writer.append(report);
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
    return place.kind === "disk" ? this.#readFromDisk(held, place) : this.#unpack(held, place.packed);
  }

  release(record: SpoolRecord): void {
    const held = record as HeldRecord;
    if (!this.#index.release(held)) return;
    const { place } = held;
    if (place.kind === "memory") this.#standby.forget(held, place);
    else this.#writer.settleLater(place);
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

  close(): Promise<void> {
    return this.#writer.close();
  }

  async #readFromDisk(held: HeldRecord, place: DiskPlace): Promise<SpoolRead> {
    const read = await readFrame(this.#options.directory, place.segment.number, place.offset, place.frameBytes);
    // Dropped while it was being read: counted there.
    if (held.isReleased) return { kind: "gone" };
    if (read.kind === "unreadable") {
      this.#disk.unreadable(read.code);
      return { kind: "unreadable" };
    }
    if (read.kind === "gone") return this.#lose(held, "gone");
    this.#disk.readable();
    if (read.kind === "damaged" || !isFrameOf(held, read.frame)) return this.#loseDamaged(held);
    return this.#unpack(held, { bytes: read.frame.payload, isDeflated: read.frame.isDeflated });
  }

  #unpack(held: HeldRecord, packed: PackedReport): SpoolRead {
    const payload = unpackReport(packed);
    return payload === undefined ? this.#loseDamaged(held) : { kind: "report", payload };
  }

  #loseDamaged(held: HeldRecord): SpoolRead {
    this.#corruptRecords += 1;
    return this.#lose(held, "damaged");
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

function isFrameOf({ bootId, sequence }: SpoolRecord, frame: Frame): boolean {
  return frame.sequence === sequence && Buffer.compare(frame.bootId, bootId) === 0;
}
