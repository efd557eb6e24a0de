/**
 * The spool: reports wait here until the collector has acknowledged them (U1).
 *
 * 1. `append` answers `disk` after fdatasync and after checking that the file still has its name. From then on neither
 *    `kill -9` nor a power cut loses the report.
 * 2. The spool is bounded in bytes, records, segments and age. The oldest segment goes first, and what it still held is
 *    counted (U2).
 * 3. A disk that cannot be written, or does not answer within DISK_HANGS_MS, costs durability, not reports. They wait
 *    in bounded memory, oldest dropped first, and move to the disk once it can be written. The disk is tried again
 *    every {@link DISK_RETRY_MS}.
 * 4. Age is measured by the monotonic clock. Reports of earlier starts are aged by the wall clock, which may have been
 *    set meanwhile. So a start drops nothing for its age alone: a report that seems too old still has AGED_GRACE_MS to
 *    be sent.
 * 5. Reports of earlier starts are found at opening, or when the disk can be read again. They keep their first key, so
 *    that a report that is sent twice is counted once.
 *
 * `writer` does all writing; `ring` holds the segments on disk and `recovery` finds them again; `memory-spool` is the
 * memory; `record-index` keeps the order of sending; `disk-state` follows the disk's faults; `bounds` has every number.
 */
import { NS_PER_MS } from "@lifeline/measure";
import { MEMORY_MAX_BYTES, SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES } from "./bounds.ts";
import { DiskState } from "./disk-state.ts";
import type { Frame } from "./frame.ts";
import { MemorySpool } from "./memory-spool.ts";
import { type PackedReport, unpackReport } from "./packing.ts";
import { RecordIndex } from "./record-index.ts";
import { Recovery } from "./recovery.ts";
import { Ring } from "./ring.ts";
import { readFrame } from "./segment.ts";
import type { DropReason, Kept, Spool, SpoolOptions, SpoolRead, SpoolStats } from "./spool-interface.ts";
import type { DiskPlace, PlacedRecord, SpoolRecord } from "./spool-record.ts";
import { Writer } from "./writer.ts";

export { DISK_RETRY_MS } from "./bounds.ts";
export type { Kept, Spool, SpoolEvent, SpoolOptions, SpoolRead, SpoolStats } from "./spool-interface.ts";
export type { SpoolRecord } from "./spool-record.ts";

const MS_PER_HOUR = 3_600_000;

/** Opens the spool. Never rejects on a fault of the disk: what cannot be read is read later. */
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
  readonly #memory: MemorySpool;
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
      onDamage: (regions) => {
        this.#corruptRecords += regions;
      },
    });
    const recovery = new Recovery({
      ...bounds,
      directory,
      take: (...segment) => ring.take(...segment),
      onUnreadable: () => disk.countUnreadable(),
      onGiveUp: (segments) => onEvent({ kind: "given-up", segments }),
    });
    const memory = new MemorySpool({ ...bounds, maxBytes: memoryMaxBytes });
    this.#options = options;
    this.#index = index;
    this.#disk = disk;
    this.#ring = ring;
    this.#recovery = recovery;
    this.#memory = memory;
    this.#writer = new Writer({ clock, bootId, index, disk, ring, recovery, memory });
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
    const held = record as PlacedRecord;
    if (held.isReleased) return { kind: "gone" };
    const { place } = held;
    return place.kind === "disk" ? this.#readFromDisk(held, place) : this.#unpack(held, place.packed);
  }

  release(record: SpoolRecord): void {
    const held = record as PlacedRecord;
    if (!this.#index.release(held)) return;
    const { place } = held;
    if (place.kind === "memory") this.#memory.remove(held, place);
    else this.#writer.settleLater(place);
  }

  stats(): SpoolStats {
    return {
      heldBytes: this.#ring.bytes + this.#memory.bytes,
      heldReports: this.#index.size,
      heldOfThisBoot: this.#index.ofThisBoot,
      memoryReports: this.#memory.reports,
      droppedReports: this.#droppedReports,
      corruptRecords: this.#corruptRecords,
      unreadableReads: this.#disk.unreadableReads,
    };
  }

  close(): Promise<void> {
    return this.#writer.close();
  }

  async #readFromDisk(held: PlacedRecord, place: DiskPlace): Promise<SpoolRead> {
    const read = await readFrame(this.#options.directory, place.segment.number, place.offset, place.frameBytes);
    // Dropped, and counted, while it was being read.
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

  #unpack(held: PlacedRecord, packed: PackedReport): SpoolRead {
    const payload = unpackReport(packed);
    return payload === undefined ? this.#loseDamaged(held) : { kind: "report", payload };
  }

  #loseDamaged(held: PlacedRecord): SpoolRead {
    this.#corruptRecords += 1;
    return this.#lose(held, "damaged");
  }

  #lose(record: PlacedRecord, why: "damaged" | "gone"): SpoolRead {
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
