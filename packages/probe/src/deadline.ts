/**
 * The loss threshold of one attempt. An answer that the event loop was too busy to read still counts (M3).
 *
 * 1. When the time is over, pending I/O is read before the attempt expires: an answer in a kernel queue is found.
 * 2. The last second is waited for in slices, so that a stall anywhere in it is noticed, and not only one at its end.
 * 3. An expiry with a single stall beyond {@link LAG_TOLERANCE_NS} in that second is `stalled`: it shows nothing of the
 *    network. Stalls are not summed. Each delays our own part of an exchange once, and timers that fire a millisecond
 *    or two late for half a minute hide no answer. After an earlier stall the peer still had the whole last second to
 *    answer.
 */
import { type Clock, NS_PER_MS, type Reason, type Timer } from "@lifeline/measure";

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
   * process stalled.
   */
  lateness(tookNs: number): Extract<Reason, "late" | "stalled"> | undefined;
  /**
   * `work`, or `expired` when the time is over first. `work` must not reject. After an expiry every race expires at
   * once.
   */
  race<T>(work: Promise<T>): Promise<T | Expired>;
  cancel(): void;
}

/** Starts a deadline of `timeoutMs` now. */
export function startDeadline(clock: Clock, timeoutMs: number): Deadline {
  const startedNs = clock.monotonicNs();
  const timeoutNs = timeoutMs * NS_PER_MS;
  const dueNs = startedNs + timeoutNs;
  const watchedFromNs = dueNs - WATCHED_MS * NS_PER_MS;
  let longestLagNs = 0;
  let sliceDueNs = startedNs;
  let timer: Timer | undefined;
  let expire: (expired: Expired) => void = () => {};
  const expiry = new Promise<Expired>((resolve) => {
    expire = resolve;
  });

  // A slice that is due counts although its timer has not run: the same turn may read I/O first.
  const lagNs = () => Math.max(longestLagNs, clock.monotonicNs() - sliceDueNs);
  const stalled = () => lagNs() > LAG_TOLERANCE_NS;
  const waitSlice = () => {
    const nowNs = clock.monotonicNs();
    sliceDueNs = nowNs < watchedFromNs ? watchedFromNs : Math.min(dueNs, nowNs + SLICE_MS * NS_PER_MS);
    timer = clock.after(Math.ceil((sliceDueNs - nowNs) / NS_PER_MS), () => {
      longestLagNs = lagNs();
      if (clock.monotonicNs() < dueNs) return waitSlice();
      // Decided before draining: a stall while draining hides no answer, because what it delays is read all the same.
      const expired = { kind: "expired", stalled: stalled() } as const;
      drain(DRAIN_TURNS, () => expire(expired));
    });
  };
  waitSlice();

  return {
    elapsedNs: () => clock.monotonicNs() - startedNs,
    lateness: (tookNs) => (tookNs <= timeoutNs ? undefined : stalled() ? "stalled" : "late"),
    race: (work) => Promise.race([work, expiry]),
    cancel: () => timer?.cancel(),
  };
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
