/**
 * Attempts in flight, bounded for each target and in all (S2). An attempt that is silent at its threshold is watched
 * for a late answer. It then counts against bounds of its own, so that it holds up no tick.
 */

/**
 * Attempts in flight in all: well below the 1,024 descriptors Talos gives an extension (containerd's default NOFILE).
 */
export const IN_FLIGHT_MAX = 128;

/** Attempts in flight at one target: a timeout of 8 cadences overlaps itself this often. */
export const IN_FLIGHT_PER_TARGET_MAX = 8;

/**
 * Attempts watched in all, each with a socket: with those in flight well below the 1,024 descriptors of an extension.
 * Beyond it an attempt ends at its threshold, and was not measured: its answer might have been late.
 */
export const WATCHED_MAX = 256;

/** Attempts watched at one target: four seconds of a burst, in which an HTTP exchange over a slow path ends. */
export const WATCHED_PER_TARGET_MAX = 16;

/** How many attempts at one target, or in all, have not ended. */
export interface AttemptCounts {
  /** Attempts that are not watched. */
  inFlight: number;
  watched: number;
}

/** Bounds that a run may set for itself. */
export interface InFlightLimits {
  /** Default {@link IN_FLIGHT_MAX}. */
  readonly inFlightMax?: number;
  /** Default {@link IN_FLIGHT_PER_TARGET_MAX}. */
  readonly inFlightPerTargetMax?: number;
}

/** The room that one attempt takes until it has ended. */
export interface AttemptSlot {
  /** Of all targets and of its own. */
  readonly counts: readonly [AttemptCounts, AttemptCounts];
  /** End its watches. */
  readonly giveUps: Set<() => void>;
  isWatched: boolean;
  /** Whether it was silent and there was no room to watch it. */
  isDropped: boolean;
}

/** Counts attempts, and ends their watches. */
export class AttemptsInFlight {
  readonly #limits: Required<InFlightLimits>;
  readonly #all: AttemptCounts = { inFlight: 0, watched: 0 };
  /** End the watches. */
  readonly #giveUps = new Set<() => void>();
  #abandoned = false;
  #drained: (() => void) | undefined;

  constructor({ inFlightMax = IN_FLIGHT_MAX, inFlightPerTargetMax = IN_FLIGHT_PER_TARGET_MAX }: InFlightLimits) {
    this.#limits = { inFlightMax, inFlightPerTargetMax };
  }

  /** Attempts that have begun and not ended, watched ones included. */
  count(): number {
    return this.#all.inFlight + this.#all.watched;
  }

  /** Takes room for an attempt at the target that has those counts; undefined when there is none. */
  enter(target: AttemptCounts): AttemptSlot | undefined {
    const { inFlightMax, inFlightPerTargetMax } = this.#limits;
    if (this.#all.inFlight >= inFlightMax || target.inFlight >= inFlightPerTargetMax) return undefined;
    const counts = [this.#all, target] as const;
    for (const each of counts) each.inFlight += 1;
    return { counts, giveUps: new Set(), isWatched: false, isDropped: false };
  }

  /** The attempt is silent at its threshold. Whether it is watched from now on; `giveUp` ends the watch early. */
  watch(slot: AttemptSlot, giveUp: () => void): boolean {
    if (this.#abandoned) return false;
    if (!slot.isWatched && !this.#toWatched(slot)) {
      slot.isDropped = true;
      return false;
    }
    slot.giveUps.add(giveUp);
    this.#giveUps.add(giveUp);
    return true;
  }

  /** The attempt has ended. To be called once. */
  leave({ counts, giveUps, isWatched }: AttemptSlot): void {
    for (const giveUp of giveUps) this.#giveUps.delete(giveUp);
    for (const each of counts) each[isWatched ? "watched" : "inFlight"] -= 1;
    if (this.count() === 0) this.#drained?.();
  }

  /** Ends every watch now, and lets none begin: no socket stays open for a late answer. Idempotent. */
  abandonWatched(): void {
    this.#abandoned = true;
    for (const giveUp of this.#giveUps) giveUp();
    this.#giveUps.clear();
  }

  /** Resolves when no attempt is in flight or watched, or when `signal` aborts. Never rejects. */
  async drained(signal: AbortSignal): Promise<void> {
    if (this.count() === 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }

  #toWatched(slot: AttemptSlot): boolean {
    const [all, target] = slot.counts;
    if (all.watched >= WATCHED_MAX || target.watched >= WATCHED_PER_TARGET_MAX) return false;
    for (const each of slot.counts) {
      each.inFlight -= 1;
      each.watched += 1;
    }
    slot.isWatched = true;
    return true;
  }
}
