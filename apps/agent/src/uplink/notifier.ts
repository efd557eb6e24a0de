/** One waiter, many who may wake it. */
import type { Clock } from "@lifeline/measure";

/** Wakes whoever waits; a ring while nobody waits is kept for the next wait. */
export interface Bell {
  ring(): void;
  /** Resolves at the next ring, or after `timeoutMs`. */
  wait(timeoutMs: number): Promise<void>;
}

/** Creates a bell for one waiter. */
export function createBell(clock: Clock): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    wait(timeoutMs) {
      return new Promise((resolve) => {
        const done = () => {
          timer.cancel();
          wake = undefined;
          rung = false;
          resolve();
        };
        const timer = clock.after(timeoutMs, done);
        wake = done;
        if (rung) done();
      });
    },
  };
}
