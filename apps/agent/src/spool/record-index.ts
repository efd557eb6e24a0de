/**
 * The records that are not settled, in the order of sending.
 *
 * 1. A record that is released is removed at once, so the next record is found without skipping others.
 * 2. Ordinals only rise and are assigned here, so a new record is the last. Blocks of {@link BLOCK_MAX_RECORDS} make
 *    removal cheap: two binary searches and a move of at most so many places.
 */
import type { PlacedRecord } from "./spool-record.ts";

/** Records of a block: the square root of the most there can be (SPOOL_MAX_RECORDS). */
const BLOCK_MAX_RECORDS = 256;

/** Assigns ordinals, and finds the next record above one. */
export class RecordIndex {
  /** Of this start of the agent, by identity. */
  readonly #bootId: Uint8Array;
  /** No block is empty. Blocks, and records within a block, are in order. */
  readonly #blocks: PlacedRecord[][] = [];
  #nextOrdinal = 0;
  #size = 0;
  #ofThisBoot = 0;

  constructor(bootId: Uint8Array) {
    this.#bootId = bootId;
  }

  /** Number of records. */
  get size(): number {
    return this.#size;
  }

  /** Number of those that were made since this start. */
  get ofThisBoot(): number {
    return this.#ofThisBoot;
  }

  /** The ordinal that the next record gets. */
  get nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  /** Adds a record as the last one. */
  add(record: Pick<PlacedRecord, "bootId" | "sequence" | "place"> & { readonly isRecovered?: boolean }): PlacedRecord {
    const { bootId, sequence, place, isRecovered = false } = record;
    const held: PlacedRecord = {
      ordinal: this.#nextOrdinal,
      bootId,
      sequence,
      isRecovered,
      place,
      isReleased: false,
    };
    this.#nextOrdinal += 1;
    const last = this.#blocks.at(-1);
    if (last === undefined || last.length >= BLOCK_MAX_RECORDS) this.#blocks.push([held]);
    else last.push(held);
    this.#count(held, 1);
    return held;
  }

  /** Removes a record; false when it was removed before. */
  release(record: PlacedRecord): boolean {
    if (record.isReleased) return false;
    record.isReleased = true;
    const at = firstAbove(this.#blocks, (block) => (block.at(-1)?.ordinal ?? -1) >= record.ordinal);
    const block = this.#blocks[at] ?? [];
    block.splice(
      firstAbove(block, ({ ordinal }) => ordinal >= record.ordinal),
      1,
    );
    if (block.length === 0) this.#blocks.splice(at, 1);
    this.#count(record, -1);
    return true;
  }

  /** The first record whose ordinal is above `ordinal`. */
  nextAfter(ordinal: number): PlacedRecord | undefined {
    const block = this.#blocks[firstAbove(this.#blocks, (some) => (some.at(-1)?.ordinal ?? -1) > ordinal)];
    return block?.[firstAbove(block, (record) => record.ordinal > ordinal)];
  }

  /** Every record, in order. */
  *all(): Generator<PlacedRecord> {
    for (const block of this.#blocks) yield* block;
  }

  #count({ bootId }: PlacedRecord, change: 1 | -1): void {
    this.#size += change;
    if (bootId === this.#bootId) this.#ofThisBoot += change;
  }
}

/** The first index at which `holds` is true; the length when there is none. Must be true for all later indices too. */
function firstAbove<T>(list: readonly T[], holds: (entry: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(list[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
