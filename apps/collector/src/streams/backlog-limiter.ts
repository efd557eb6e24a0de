/**
 * Under overload the collector handles live reports before backlog.
 *
 * 1. While the limiter is closed late reports wait, in the order in which they arrived, and hold up no live report
 *    behind them.
 * 2. It closes when the store's queue reaches {@link HIGH_WATERMARK} and opens at {@link LOW_WATERMARK}. No more than
 *    {@link MAX_UNDER_WAY} late reports are stored and judged at once, so that they do not flood the store when it
 *    opens.
 * 3. Waiting reports are bounded in number and bytes over all nodes. A stream that finds no room is not read until
 *    there is (S2).
 */

/** Share of the store's queue, in operations or bytes, at which late reports begin to wait, and at which they go on. */
export const HIGH_WATERMARK = 1 / 2;
export const LOW_WATERMARK = 1 / 4;

/**
 * Late reports that are stored and judged at once: a batch of the store, and at twenty windows of 1 KiB each 20 MiB of
 * memory.
 */
export const MAX_UNDER_WAY = 1_024;

/** Most late reports that wait, and most bytes of them: the backlog windows of 512 agents (32 reports each). */
export const MAX_WAITING_REPORTS = 16_384;
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** A late report that waits. */
export interface WaitingReport {
  /** Resolves with true when its turn has come, with false when it was given up. */
  readonly turn: Promise<boolean>;
  /** Gives it up. Idempotent; nothing happens once it has had its turn. */
  giveUp(): void;
}

interface Place {
  readonly bytes: number;
  readonly settle: (hasTurn: boolean) => void;
}

/** The late reports of all streams. */
export class BacklogLimiter {
  readonly #load: () => number;
  readonly #places = new Set<Place>();
  /** Not ready yet. */
  readonly #unready = new Set<Place>();
  #bytes = 0;
  #underWay = 0;
  #isClosed = false;
  #room: PromiseWithResolvers<void> | undefined;

  /** `load` is the share of the store's queue that is taken, 0 to 1. */
  constructor(load: () => number) {
    this.#load = load;
  }

  get waiting(): number {
    return this.#places.size + this.#unready.size;
  }

  /**
   * Lets a late report go on at once, when the limiter is open and none waits. A report that goes on must {@link
   * leave}.
   */
  enter(): boolean {
    if (this.#places.size > 0 || !this.#checkOpen()) return false;
    this.#underWay += 1;
    return true;
  }

  /**
   * Waits for the turn of a report of so many bytes, behind those that wait when `ready` resolves (default: now). A
   * report that goes on must {@link leave}.
   */
  wait(bytes: number, ready?: Promise<void>): WaitingReport {
    const { promise: turn, resolve: settle } = Promise.withResolvers<boolean>();
    const place = { bytes, settle };
    (ready === undefined ? this.#places : this.#unready).add(place);
    this.#bytes += bytes;
    void ready?.then(() => {
      if (this.#unready.delete(place)) this.#places.add(place);
      this.review();
    });
    return { turn, giveUp: () => this.#remove(place, false) };
  }

  /** A report that went on is stored and judged, or has failed. */
  leave(): void {
    this.#underWay -= 1;
    this.review();
  }

  /** Resolves when there is room for one more to wait; undefined: there is. */
  room(): Promise<void> | undefined {
    if (this.#hasRoom) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** To be called when the store's queue has become shorter. */
  review(): void {
    for (const place of this.#places) {
      if (!this.#checkOpen()) return;
      this.#remove(place, true);
    }
  }

  get #hasRoom(): boolean {
    return this.waiting < MAX_WAITING_REPORTS && this.#bytes < MAX_WAITING_BYTES;
  }

  /** Opens or closes by the load; says whether a report may go on. */
  #checkOpen(): boolean {
    const load = this.#load();
    if (load >= HIGH_WATERMARK) this.#isClosed = true;
    else if (load <= LOW_WATERMARK) this.#isClosed = false;
    return !this.#isClosed && this.#underWay < MAX_UNDER_WAY;
  }

  #remove(place: Place, hasTurn: boolean): void {
    if (!this.#places.delete(place) && !this.#unready.delete(place)) return;
    this.#bytes -= place.bytes;
    if (hasTurn) this.#underWay += 1;
    place.settle(hasTurn);
    if (this.#room === undefined || !this.#hasRoom) return;
    this.#room.resolve();
    this.#room = undefined;
  }
}
