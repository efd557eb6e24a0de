/**
 * Who goes first when there is too much: what nodes are like now, before what they were like while nobody listened.
 *
 * 1. While the gate is shut late reports wait, in the order they came, and hold up no live one behind them.
 * 2. It shuts when the store's queue reaches {@link SHUT_AT_LOAD} and opens at {@link OPEN_AT_LOAD}; and no more than
 *    {@link MAX_UNDER_WAY} late reports are being stored and judged at once, so that opening it is no flood.
 * 3. What waits is bounded in reports and bytes over all nodes; who finds it full does not read on until it is not (S2).
 */

/** Share of the store's queue, in operations or bytes, at which late reports begin to wait, and at which they go on. */
export const SHUT_AT_LOAD = 1 / 2;
export const OPEN_AT_LOAD = 1 / 4;

/** Late reports being stored and judged at once: a batch of the store, and at twenty windows of 1 KiB each 20 MiB of memory. */
export const MAX_UNDER_WAY = 1_024;

/** Most late reports that wait, and most bytes of them: the backlog windows of 512 agents (32 reports each). */
export const MAX_WAITING_REPORTS = 16_384;
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** A late report that waits. */
export interface Waiting {
  /** Resolves when its turn has come: true; or when it was given up: false. */
  readonly turn: Promise<boolean>;
  /** Gives it up. Idempotent; nothing happens once it has had its turn. */
  giveUp(): void;
}

export interface BacklogGate {
  /** Lets a late report go on at once, when the gate is open and nobody waits. Who goes on must {@link leave}. */
  enter(): boolean;
  /** Waits for the turn of a report of so many bytes, behind those that wait when `ready` resolves (default: now). Who goes on must {@link leave}. */
  wait(bytes: number, ready?: Promise<void>): Waiting;
  /** A report that went on is stored and judged, or has failed. */
  leave(): void;
  /** Resolves when there is room for one more to wait; undefined: there is. */
  full(): Promise<void> | undefined;
  /** To be called when the store's queue has become shorter. */
  review(): void;
  /** Reports waiting. */
  waiting(): number;
}

interface Place {
  readonly bytes: number;
  readonly settle: (hasTurn: boolean) => void;
}

/** A gate before a store; `load` is the share of its queue that is taken, 0 to 1. */
export function createBacklogGate(load: () => number): BacklogGate {
  const places = new Set<Place>();
  /** Not ready yet. */
  const held = new Set<Place>();
  let bytes = 0;
  let underWay = 0;
  let isShut = false;
  let roomMade: (() => void) | undefined;
  let room: Promise<void> | undefined;

  const isOpen = (): boolean => {
    const share = load();
    if (share >= SHUT_AT_LOAD) isShut = true;
    else if (share <= OPEN_AT_LOAD) isShut = false;
    return !isShut && underWay < MAX_UNDER_WAY;
  };
  const hasRoom = () => places.size + held.size < MAX_WAITING_REPORTS && bytes < MAX_WAITING_BYTES;
  const remove = (place: Place, hasTurn: boolean) => {
    if (!places.delete(place) && !held.delete(place)) return;
    bytes -= place.bytes;
    if (hasTurn) underWay += 1;
    place.settle(hasTurn);
    if (roomMade === undefined || !hasRoom()) return;
    roomMade();
    roomMade = undefined;
    room = undefined;
  };
  const review = () => {
    for (const place of places) {
      if (!isOpen()) return;
      remove(place, true);
    }
  };
  return {
    enter() {
      if (places.size > 0 || !isOpen()) return false;
      underWay += 1;
      return true;
    },
    wait(size, ready) {
      const { promise: turn, resolve: settle } = Promise.withResolvers<boolean>();
      const place = { bytes: size, settle };
      (ready === undefined ? places : held).add(place);
      bytes += size;
      void ready?.then(() => {
        if (held.delete(place)) places.add(place);
        review();
      });
      return { turn, giveUp: () => remove(place, false) };
    },
    leave() {
      underWay -= 1;
      review();
    },
    full() {
      if (hasRoom()) return undefined;
      room ??= new Promise((made) => {
        roomMade = made;
      });
      return room;
    },
    review,
    waiting: () => places.size + held.size,
  };
}
