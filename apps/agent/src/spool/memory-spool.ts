/** The memory that stands in while the disk refuses: bounded in bytes, reports and age, oldest dropped first. */
import type { Clock } from "@lifeline/measure";
import { MEMORY_MAX_REPORTS } from "./bounds.ts";
import type { PackedReport } from "./packing.ts";
import type { RecordIndex } from "./record-index.ts";
import type { HeldRecord, MemoryPlace } from "./spool-record.ts";

/** What a {@link Standby} needs. */
export interface StandbyOptions {
  readonly clock: Clock;
  readonly index: RecordIndex;
  readonly maxBytes: number;
  readonly maxAgeNs: number;
  readonly onDrop: (reports: number, why: "too-old" | "memory-full") => void;
}

/** Keeps reports in memory. */
export class Standby {
  readonly #options: StandbyOptions;
  /** Oldest first. */
  readonly #records = new Set<HeldRecord>();
  #bytes = 0;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get reports(): number {
    return this.#records.size;
  }

  /** Those that wait now, oldest first. */
  records(): readonly HeldRecord[] {
    return [...this.#records];
  }

  /** Takes a report, at the cost of the oldest where there is no room. */
  keep(bootId: Uint8Array, sequence: number, packed: PackedReport): HeldRecord {
    const { clock, index } = this.#options;
    const keptNs = clock.monotonicNs();
    this.#makeRoom(packed.bytes.length, keptNs);
    const record = index.add({ bootId, sequence, place: { kind: "memory", packed, keptNs } });
    this.#records.add(record);
    this.#bytes += packed.bytes.length;
    return record;
  }

  /** Forgets a record: it is settled, or on the disk now. */
  forget(record: HeldRecord, { packed }: MemoryPlace): void {
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
      this.forget(oldest, oldest.place);
      onDrop(1, tooOld ? "too-old" : "memory-full");
    }
  }
}
