/**
 * The loss threshold of one attempt, fair to answers that the event loop was too busy to read (M3).
 *
 * 1. When the time is up, pending I/O is drained before anything is decided: an answer that lies in a kernel queue is seen.
 * 2. The last second is waited for in slices, so a stall anywhere within it is noticed, and not only one at its end.
 * 3. An expiry with a single stall beyond {@link LAG_TOLERANCE_NS} in that second is `stalled`: it says nothing of the
 *    network. Stalls are not summed: each delays our own turn of an exchange once, and timers that fire a millisecond or
 *    two late for half a minute hide nothing. An earlier stall left the peer the second that follows it.
 */
import { type Clock, NS_PER_MS, type Reason, type Timer } from "@lifeline/measure";

/**
 * How late one timer may fire before a silence is put down to this process: 50 ms. An idle Node fires within 2 ms; a garbage
 * collection of tens of milliseconds is ordinary and harmless, since I/O is drained.
 */
export const LAG_TOLERANCE_NS = 50 * NS_PER_MS;

/**
 * How much of the end of a wait is watched: 1 s. What the kernel holds is drained, so an earlier stall can only have delayed
 * what we send ourselves (a TLS flight, a request); a whole second is then left for its answer, longer than any round trip
 * that is not lost (a SYN's threshold is 950 ms) and three of 300 ms, more than the way around the world.
 */
const WATCHED_MS = 1_000;

/**
 * Length of a slice of watching: 100 ms, so a wait costs at most eleven timers, and one that is answered none. A stall is
 * seen but for the part before the next slice is due: of 150 ms at the least, and of any length across the end.
 */
const SLICE_MS = 100;

/**
 * Turns of the event loop granted after the deadline. One reads what the kernel holds; the second is for protocols whose
 * bytes pass through another handle (TLS) before they mean anything.
 */
const DRAIN_TURNS = 2;

/** The time was up and there was no answer. */
export interface Expired {
  readonly kind: "expired";
  /** Whether this process stalled meanwhile, so that the silence proves nothing. */
  readonly stalled: boolean;
}

/** A running deadline; `cancel` when the attempt is over. */
export interface Deadline {
  /** Nanoseconds since the start. */
  elapsedNs(): number;
  /** What an answer counts as that took `tookNs`: undefined within the threshold, else `late`, or `stalled` if we were. */
  lateness(tookNs: number): Extract<Reason, "late" | "stalled"> | undefined;
  /** `work`, or `expired` when the time is up first. `work` must not reject. After an expiry every race expires at once. */
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

  // The slice that is due counts before its timer has run: I/O of the same turn may be read first.
  const lagNs = () => Math.max(longestLagNs, clock.monotonicNs() - sliceDueNs);
  const stalled = () => lagNs() > LAG_TOLERANCE_NS;
  const waitSlice = () => {
    const nowNs = clock.monotonicNs();
    sliceDueNs = nowNs < watchedFromNs ? watchedFromNs : Math.min(dueNs, nowNs + SLICE_MS * NS_PER_MS);
    timer = clock.after(Math.ceil((sliceDueNs - nowNs) / NS_PER_MS), () => {
      longestLagNs = lagNs();
      if (clock.monotonicNs() < dueNs) return waitSlice();
      // Read here: a stall of the draining itself hides nothing, for what it holds up is read all the same.
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

/** A running watch; `stop` when the work is over. */
export interface StallWatch {
  /** Whether a single stall since the start went beyond {@link LAG_TOLERANCE_NS}, one that is not over included. */
  stalled(): boolean;
  stop(): void;
}

/** Watches for stalls from now on, for work that keeps its own time: nothing here can grant it a drain before it gives up. */
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

/** Calls `done` after `turns` full turns of the event loop, each of which polls for I/O before its immediates run. */
function drain(turns: number, done: () => void): void {
  if (turns === 0) done();
  else setImmediate(() => drain(turns - 1, done));
}

/** Whether a raced value is the expiry. */
export function isExpired(value: unknown): value is Expired {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "expired";
}
