/**
 * A queue that serves the owner that used least lately.
 *
 * 1. What an owner used counts half after each {@link HALF_LIFE_MS}, and is compared by powers of two. Owners that are
 *    equal take turns.
 * 2. Every {@link OLDEST_EVERY}th turn is of the owner that has waited longest, so that none waits for ever.
 * 3. One owner's items keep their order.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/**
 * After how long use counts half, ms: long compared with a burst of reports, short compared with the drain of a spool.
 */
export const HALF_LIFE_MS = 10_000;

/** How often it is the turn of the owner that has waited longest. */
export const OLDEST_EVERY = 8;

/** A queue of items by owner. */
export class FairQueue<T> {
  readonly #clock: Pick<Clock, "monotonicNs">;
  readonly #unit: number;
  readonly #owners = new Map<string, Owner<T>>();
  /** Owners with items: in the order of their turns, and by how much they used. */
  readonly #waiting = new Set<Owner<T>>();
  readonly #ranks: Set<Owner<T>>[] = [];
  #size = 0;
  #turn = 0;

  /** `unit`: a cost so small that owners below it count as equal; more than 0. */
  constructor(clock: Pick<Clock, "monotonicNs">, unit: number) {
    this.#clock = clock;
    this.#unit = unit;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an item behind the owner's others. */
  push(name: string, item: T): void {
    const owner = this.#owners.get(name) ?? { used: 0, atNs: this.#clock.monotonicNs(), items: [], rank: 0 };
    this.#owners.set(name, owner);
    owner.items.push(item);
    this.#size += 1;
    if (owner.items.length === 1) this.#enter(owner);
  }

  /** Takes the next item and calls `use`, which returns its cost. False: none waits. */
  serve(use: (item: T) => number): boolean {
    const owner = this.#next();
    const item = owner?.items.shift();
    if (owner === undefined || item === undefined) return false;
    this.#size -= 1;
    this.#leave(owner);
    const cost = use(item);
    this.#decay(owner);
    owner.used += cost;
    if (owner.items.length > 0) this.#enter(owner);
    this.#pruneOne();
    return true;
  }

  /** Takes all items out, owner by owner. */
  clear(): readonly T[] {
    const items = [...this.#waiting].flatMap((owner) => owner.items);
    this.#owners.clear();
    this.#waiting.clear();
    this.#ranks.length = 0;
    this.#size = 0;
    return items;
  }

  #next(): Owner<T> | undefined {
    this.#turn += 1;
    const [oldest] = this.#waiting;
    if (this.#turn % OLDEST_EVERY === 0) return oldest;
    const [least] = this.#ranks.find((rank) => rank !== undefined && rank.size > 0) ?? [];
    return least;
  }

  #enter(owner: Owner<T>): void {
    this.#decay(owner);
    owner.rank = Math.max(0, Math.ceil(Math.log2(owner.used / this.#unit)));
    this.#waiting.add(owner);
    this.#ranks[owner.rank] ??= new Set();
    this.#ranks[owner.rank]?.add(owner);
  }

  #leave(owner: Owner<T>): void {
    this.#waiting.delete(owner);
    this.#ranks[owner.rank]?.delete(owner);
  }

  #decay(owner: Owner<T>): void {
    const nowNs = this.#clock.monotonicNs();
    owner.used *= 0.5 ** ((nowNs - owner.atNs) / (HALF_LIFE_MS * NS_PER_MS));
    owner.atNs = nowNs;
  }

  /** Checks one owner each time, and drops it when it has no items and hardly any use (S2). */
  #pruneOne(): void {
    const [first] = this.#owners;
    if (first === undefined) return;
    const [name, owner] = first;
    this.#owners.delete(name);
    this.#decay(owner);
    if (owner.items.length > 0 || owner.used > this.#unit / 2) this.#owners.set(name, owner);
  }
}

interface Owner<T> {
  /** In the unit of costs, as it counts at `atNs`. */
  used: number;
  atNs: number;
  /** Its place among ranks while it has items. */
  rank: number;
  readonly items: T[];
}
