/**
 * The loss threshold of one attempt. An answer that the event loop was too busy to read still counts (M3).
 *
 * 1. When the time is over, pending I/O is read before the attempt expires: an answer in a kernel queue is found.
 * 2. The last second is waited for in slices, so that a stall anywhere in it is noticed, and not only one at its end.
 * 3. An expiry with a single stall beyond {@link LAG_TOLERANCE_NS} in that second is `stalled`: it shows nothing of the
 *    network. Stalls are not summed. Each delays our own part of an exchange once, and timers that fire a millisecond
 *    or two late for half a minute hide no answer. After an earlier stall the peer still had the whole last second to
 *    answer.
 * 4. A silent attempt is watched for {@link LATE_WATCH_MS} after its threshold, if its owner wants that. An answer then
 *    is late: neither a latency nor a loss (RFC 7680 §2.5). The last second of the watch decides on a stall.
 */
import { type Clock, LATE_WATCH_MS, NS_PER_MS, type Reason, type Timer } from "@lifeline/measure";

/**
 * How late one timer may fire before silence is blamed on this process: 50 ms. An idle Node fires timers within 2 ms. A
 * garbage collection of tens of milliseconds is ordinary, and harmless because pending I/O is read.
 */
export const LAG_TOLERANCE_NS = 50 * NS_PER_MS;

/**
 * The part at the end of a wait that is watched for stalls: 1 s. What the kernel holds is read, so an earlier stall can
 * only have delayed what we send ourselves (a TLS flight, a request). A whole second is then left for the answer. That
 * is longer than any round trip that is not lost (a SYN's threshold is 950 ms), and three round trips of 300 ms, which
 * is more than around the world.
 */
const WATCHED_MS = 1_000;

/**
 * Length of a slice: 100 ms, so that a wait costs at most eleven timers. A stall is noticed by the part of it after its
 * slice was due: always when it lasts 150 ms, and at any length above the tolerance when it begins at the end of a
 * slice.
 */
const SLICE_MS = 100;

/**
 * Turns of the event loop between the end of the time and the expiry. The first reads what the kernel holds. The second
 * is for protocols whose bytes pass through another handle (TLS).
 */
const DRAIN_TURNS = 2;

/** The time is over and there was no answer. */
export interface Expired {
  readonly kind: "expired";
  /** Whether this process stalled meanwhile, so that silence proves nothing. */
  readonly stalled: boolean;
}

/** A running deadline. The owner cancels it when the attempt is over. */
export interface Deadline {
  /** Nanoseconds since the start. */
  elapsedNs(): number;
  /**
   * The reason for an answer after `tookNs`: undefined within the threshold, else `late`, or `stalled` when this
   * process stalled. `isExact`: the kernel measured the time, which no stall changes. Default: false.
   */
  lateness(tookNs: number, isExact?: boolean): Extract<Reason, "late" | "stalled"> | undefined;
  /**
   * `work`, or `expired` when the time is over first. `work` must not reject. After an expiry every race expires at
   * once.
   */
  race<T>(work: Promise<T>): Promise<T | Expired>;
  cancel(): void;
}

/** Whether a silent attempt is watched on. `giveUp` ends the watch early. */
export type OnSilence = (giveUp: () => void) => boolean;

/** Starts a deadline of `timeoutMs` now. Without `onSilence` it expires at the threshold. */
export function startDeadline(clock: Clock, timeoutMs: number, onSilence: OnSilence = () => false): Deadline {
  return new RunningDeadline(clock, timeoutMs, onSilence);
}

class RunningDeadline implements Deadline {
  readonly #clock: Clock;
  readonly #startedNs: number;
  readonly #timeoutNs: number;
  readonly #onSilence: OnSilence;
  readonly #expiry = Promise.withResolvers<Expired>();
  #dueNs: number;
  #longestLagNs = 0;
  #sliceDueNs: number;
  #timer: Timer | undefined;
  /** Whether this process stalled before the threshold; undefined until then. */
  #stalledBefore: boolean | undefined;
  #isCancelled = false;

  constructor(clock: Clock, timeoutMs: number, onSilence: OnSilence) {
    this.#clock = clock;
    this.#startedNs = clock.monotonicNs();
    this.#timeoutNs = timeoutMs * NS_PER_MS;
    this.#onSilence = onSilence;
    this.#dueNs = this.#startedNs + this.#timeoutNs;
    this.#sliceDueNs = this.#startedNs;
    this.#waitSlice();
  }

  elapsedNs(): number {
    return this.#clock.monotonicNs() - this.#startedNs;
  }

  lateness(tookNs: number, isExact = false): "late" | "stalled" | undefined {
    if (tookNs <= this.#timeoutNs) return undefined;
    if (isExact) return "late";
    // Pending I/O was read at the threshold, so what is read while watching arrived after it.
    return (this.#stalledBefore ?? this.#isStalled()) ? "stalled" : "late";
  }

  race<T>(work: Promise<T>): Promise<T | Expired> {
    return Promise.race([work, this.#expiry.promise]);
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#timer?.cancel();
  }

  /** A slice that is due counts although its timer has not run: the same turn may read I/O first. */
  #lagNs(): number {
    return Math.max(this.#longestLagNs, this.#clock.monotonicNs() - this.#sliceDueNs);
  }

  #isStalled(): boolean {
    return this.#lagNs() > LAG_TOLERANCE_NS;
  }

  #waitSlice(): void {
    const nowNs = this.#clock.monotonicNs();
    const watchedFromNs = this.#dueNs - WATCHED_MS * NS_PER_MS;
    this.#sliceDueNs = nowNs < watchedFromNs ? watchedFromNs : Math.min(this.#dueNs, nowNs + SLICE_MS * NS_PER_MS);
    // A stalled process may come here after the slice was due.
    const waitMs = Math.max(0, Math.ceil((this.#sliceDueNs - nowNs) / NS_PER_MS));
    this.#timer = this.#clock.after(waitMs, () => {
      this.#longestLagNs = this.#lagNs();
      if (this.#clock.monotonicNs() < this.#dueNs) return this.#waitSlice();
      // Decided before draining: a stall while draining hides no answer, because what it delays is read all the same.
      const stalled = this.#isStalled();
      drain(DRAIN_TURNS, () => this.#isOver(stalled));
    });
  }

  #isOver(stalled: boolean): void {
    if (this.#isCancelled) return;
    const isThreshold = this.#stalledBefore === undefined;
    this.#stalledBefore ??= stalled;
    if (!isThreshold || !this.#onSilence(() => this.#giveUp())) {
      this.#expire(stalled);
      return;
    }
    this.#dueNs = this.#startedNs + this.#timeoutNs + LATE_WATCH_MS * NS_PER_MS;
    this.#longestLagNs = 0;
    this.#waitSlice();
  }

  #giveUp(): void {
    this.#timer?.cancel();
    this.#expire(this.#isStalled());
  }

  #expire(stalled: boolean): void {
    this.#expiry.resolve({ kind: "expired", stalled });
  }
}

/** A running watch. The owner stops it when the work is over. */
export interface StallWatch {
  /** Whether a single stall since the start, or one that is not over, is longer than {@link LAG_TOLERANCE_NS}. */
  stalled(): boolean;
  stop(): void;
}

/** Watches for stalls from now on, for work with timers of its own, which may give up before pending I/O is read. */
export function watchStalls(clock: Clock): StallWatch {
  let longestLagNs = 0;
  let sliceDueNs = 0;
  let timer: Timer | undefined;
  const lagNs = () => Math.max(longestLagNs, clock.monotonicNs() - sliceDueNs);
  const waitSlice = () => {
    sliceDueNs = clock.monotonicNs() + SLICE_MS * NS_PER_MS;
    timer = clock.after(SLICE_MS, () => {
      longestLagNs = lagNs();
      waitSlice();
    });
  };
  waitSlice();
  return { stalled: () => lagNs() > LAG_TOLERANCE_NS, stop: () => timer?.cancel() };
}

/** Calls `done` after `turns` full turns of the event loop. Each polls for I/O before its immediates run. */
function drain(turns: number, done: () => void): void {
  if (turns === 0) done();
  else setImmediate(() => drain(turns - 1, done));
}

/** Whether a raced value is the expiry. */
export function isExpired(value: unknown): value is Expired {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "expired";
}
