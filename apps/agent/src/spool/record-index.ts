/**
 * The records that wait, in the order of sending.
 *
 * 1. Only what waits is here: what is released leaves at once, so the next record is found without passing over others.
 * 2. Ordinals only rise, and are given here: a record that comes is the last. Blocks of {@link BLOCK_MAX_RECORDS} make leaving cheap:
 *    two binary searches and a move of at most so many places.
 */
import type { HeldRecord } from "./spool-record.ts";

/** Records of a block: the square root of the most there can be (SPOOL_MAX_RECORDS). */
const BLOCK_MAX_RECORDS = 256;

/** Gives ordinals, and finds the next record above one. */
export class RecordIndex {
  /** Of this start of the agent, by identity. */
  readonly #bootId: Uint8Array;
  /** None is empty; each is in order, and they are. */
  readonly #blocks: HeldRecord[][] = [];
  #nextOrdinal = 0;
  #size = 0;
  #ofThisBoot = 0;

  constructor(bootId: Uint8Array) {
    this.#bootId = bootId;
  }

  /** Records that wait. */
  get size(): number {
    return this.#size;
  }

  /** Those among them that were made since this start. */
  get ofThisBoot(): number {
    return this.#ofThisBoot;
  }

  /** The ordinal the next record will get. */
  get nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  /** Takes a record as the last one. */
  add(record: Pick<HeldRecord, "bootId" | "sequence" | "place"> & { readonly isRecovered?: boolean }): HeldRecord {
    const { bootId, sequence, place, isRecovered = false } = record;
    const held: HeldRecord = {
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

  /** Lets a record go; false when it had gone before. */
  release(record: HeldRecord): boolean {
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
  nextAfter(ordinal: number): HeldRecord | undefined {
    const block = this.#blocks[firstAbove(this.#blocks, (some) => (some.at(-1)?.ordinal ?? -1) > ordinal)];
    return block?.[firstAbove(block, (record) => record.ordinal > ordinal)];
  }

  /** Every record that waits, in order. */
  *all(): Generator<HeldRecord> {
    for (const block of this.#blocks) yield* block;
  }

  #count({ bootId }: HeldRecord, change: 1 | -1): void {
    this.#size += change;
    if (bootId === this.#bootId) this.#ofThisBoot += change;
  }
}

/** The first place from which on `holds` is true; the length when nowhere. It must not become false again after it. */
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
