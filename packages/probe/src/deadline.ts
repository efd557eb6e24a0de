/**
 * The loss threshold of one attempt, fair to answers that the event loop was too busy to read (M3).
 *
 * 1. When the time is up, pending I/O is drained before anything is decided: an answer that lies in a kernel queue is seen.
 * 2. The wait is cut into slices, so a stall anywhere within it is noticed, and not only one at its end.
 * 3. An expiry that comes with a stall beyond {@link LAG_TOLERANCE_NS} is `stalled`: it says nothing of the network.
 */
import { type Clock, NS_PER_MS, type Reason, type Timer } from "@lifeline/measure";

/**
 * How late timers may fire, summed over one attempt, before its silence is put down to this process: 50 ms. An idle Node
 * fires within 2 ms; a garbage collection of tens of milliseconds is ordinary and harmless, since I/O is drained.
 */
export const LAG_TOLERANCE_NS = 50 * NS_PER_MS;

/** Length of a slice of waiting: 100 ms, so an attempt that waits a second costs ten timers, and one that is answered none. */
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
  tardiness(tookNs: number): Extract<Reason, "late" | "stalled"> | undefined;
  /** `work`, or `expired` when the time is up first. `work` must not reject. After an expiry every race expires at once. */
  race<T>(work: Promise<T>): Promise<T | Expired>;
  cancel(): void;
}

/** Starts a deadline of `timeoutMs` now. */
export function startDeadline(clock: Clock, timeoutMs: number): Deadline {
  const startedNs = clock.monotonicNs();
  const timeoutNs = timeoutMs * NS_PER_MS;
  const dueNs = startedNs + timeoutNs;
  let lagNs = 0;
  let timer: Timer | undefined;
  let expire: (expired: Expired) => void = () => {};
  const expiry = new Promise<Expired>((resolve) => {
    expire = resolve;
  });

  const stalled = () => lagNs > LAG_TOLERANCE_NS;
  const waitSlice = () => {
    const sliceDueNs = Math.min(dueNs, clock.monotonicNs() + SLICE_MS * NS_PER_MS);
    const delayMs = Math.max(0, Math.ceil((sliceDueNs - clock.monotonicNs()) / NS_PER_MS));
    timer = clock.after(delayMs, () => {
      lagNs += Math.max(0, clock.monotonicNs() - sliceDueNs);
      if (clock.monotonicNs() < dueNs) return waitSlice();
      drain(DRAIN_TURNS, () => expire({ kind: "expired", stalled: stalled() }));
    });
  };
  waitSlice();

  return {
    elapsedNs: () => clock.monotonicNs() - startedNs,
    tardiness: (tookNs) => (tookNs <= timeoutNs ? undefined : stalled() ? "stalled" : "late"),
    race: (work) => Promise.race([work, expiry]),
    cancel: () => timer?.cancel(),
  };
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
