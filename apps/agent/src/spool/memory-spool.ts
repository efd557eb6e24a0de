/** Reports in memory while the disk cannot be written: bounded in bytes, reports and age, oldest dropped first. */
import type { Clock } from "@lifeline/measure";
import { MEMORY_MAX_REPORTS } from "./bounds.ts";
import type { PackedReport } from "./packing.ts";
import type { RecordIndex } from "./record-index.ts";
import type { MemoryPlace, PlacedRecord } from "./spool-record.ts";

/** What a {@link MemorySpool} needs. */
export interface MemorySpoolOptions {
  readonly clock: Clock;
  readonly index: RecordIndex;
  readonly maxBytes: number;
  readonly maxAgeNs: number;
  readonly onDrop: (reports: number, why: "too-old" | "memory-full") => void;
}

/** Keeps reports in memory. */
export class MemorySpool {
  readonly #options: MemorySpoolOptions;
  /** Oldest first. */
  readonly #records = new Set<PlacedRecord>();
  #bytes = 0;

  constructor(options: MemorySpoolOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get reports(): number {
    return this.#records.size;
  }

  /** The reports in memory, oldest first. */
  records(): readonly PlacedRecord[] {
    return [...this.#records];
  }

  /** Adds a report. Drops the oldest where there is no room. */
  keep(bootId: Uint8Array, sequence: number, packed: PackedReport): PlacedRecord {
    const { clock, index } = this.#options;
    const keptNs = clock.monotonicNs();
    this.#makeRoom(packed.bytes.length, keptNs);
    const record = index.add({ bootId, sequence, place: { kind: "memory", packed, keptNs } });
    this.#records.add(record);
    this.#bytes += packed.bytes.length;
    return record;
  }

  /** Removes a record that is settled, or on disk now. */
  remove(record: PlacedRecord, { packed }: MemoryPlace): void {
    if (this.#records.delete(record)) this.#bytes -= packed.bytes.length;
  }

  #makeRoom(incomingBytes: number, nowNs: number): void {
    const { index, maxBytes, maxAgeNs, onDrop } = this.#options;
    for (const oldest of this.#records) {
      if (oldest.place.kind !== "memory") return;
      const tooOld = nowNs - oldest.place.keptNs > maxAgeNs;
      const hasRoom = this.#bytes + incomingBytes <= maxBytes && this.#records.size < MEMORY_MAX_REPORTS;
      if (!tooOld && hasRoom) return;
      index.release(oldest);
      this.remove(oldest, oldest.place);
      onDrop(1, tooOld ? "too-old" : "memory-full");
    }
  }
}
