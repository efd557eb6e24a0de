/** Wakes the one waiter of a loop. */
import type { Clock } from "@lifeline/measure";

/** For one waiter. A notification that comes while nothing waits is kept for the next wait. */
export class Notifier {
  readonly #clock: Clock;
  #isPending = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the wait, or the next one at its start. */
  notify(): void {
    this.#isPending = true;
    this.#wake?.();
  }

  /** Resolves at the next notification, or after `timeoutMs`. */
  wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#wake = undefined;
        this.#isPending = false;
        resolve();
      };
      const timer = this.#clock.after(timeoutMs, done);
      this.#wake = done;
      if (this.#isPending) done();
    });
  }
}
