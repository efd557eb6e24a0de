/**
 * Time, passed in as a value (M2). Durations come from the monotonic clock only. Wall time is a label and is never
 * subtracted. No other file of Lifeline reads a clock.
 */

/** A pending callback; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Monotonic, wall and processor time, and timers. */
export interface Clock {
  /** Nanoseconds since an arbitrary fixed origin; never goes back. Exact for 104 days of process life (2^53 ns). */
  monotonicNs(): number;
  /** Wall time by the host's clock, ms since the Unix epoch; may jump either way. */
  wallMs(): number;
  /** Processor time of this thread, ns. It measures what work costs, even on a busy machine. */
  threadCpuNs(): number;
  /** Calls `wake` once, no earlier than `delayMs` from now. */
  after(delayMs: number, wake: () => void): Timer;
}

/** Nanoseconds in a millisecond. */
export const NS_PER_MS = 1_000_000;

/** Nanoseconds in a microsecond. */
export const NS_PER_US = 1_000;

const originNs = process.hrtime.bigint();

/** The host's clocks: CLOCK_MONOTONIC by `process.hrtime`, CLOCK_REALTIME by `Date.now`. */
export const systemClock: Clock = {
  monotonicNs: () => Number(process.hrtime.bigint() - originNs),
  wallMs: () => Date.now(),
  threadCpuNs() {
    const { user, system } = process.threadCpuUsage();
    return (user + system) * NS_PER_US;
  },
  after(delayMs, wake) {
    const timer = setTimeout(wake, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs`, or at once when `signal` aborts. Never rejects. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** A clock that moves only when told to, for tests and replays. */
export interface ManualClock extends Clock {
  /** Advances all times by `ms`, and runs the timers that fall due in the order of their due times. */
  advance(ms: number): void;
  /** Steps wall time alone, as an NTP step does. Durations must not change. */
  stepWall(ms: number): void;
}

/** Creates a {@link ManualClock} whose wall time starts at `wallMs` and whose monotonic time starts at 0. */
export function manualClock(wallMs: number): ManualClock {
  let nowNs = 0;
  let wall = wallMs;
  const waiting: { dueNs: number; wake: () => void }[] = [];
  const moveTo = (ns: number) => {
    wall += (ns - nowNs) / NS_PER_MS;
    nowNs = ns;
  };
  return {
    monotonicNs: () => nowNs,
    wallMs: () => wall,
    // As if this thread had the processor all the time.
    threadCpuNs: () => nowNs,
    after(delayMs, wake) {
      const entry = { dueNs: nowNs + delayMs * NS_PER_MS, wake };
      waiting.push(entry);
      return {
        cancel() {
          const at = waiting.indexOf(entry);
          if (at >= 0) waiting.splice(at, 1);
        },
      };
    },
    advance(ms) {
      const untilNs = nowNs + ms * NS_PER_MS;
      for (;;) {
        const next = waiting.filter((entry) => entry.dueNs <= untilNs).sort((a, b) => a.dueNs - b.dueNs)[0];
        if (next === undefined) break;
        waiting.splice(waiting.indexOf(next), 1);
        moveTo(Math.max(nowNs, next.dueNs));
        next.wake();
      }
      moveTo(untilNs);
    },
    stepWall(ms) {
      wall += ms;
    },
  };
}
