/**
 * Informs an agent that the collector has its reports and holds them back, by acknowledgements of none. An agent cuts a
 * stream on which nothing is acknowledged for 20 s (its NO_PROGRESS_MS); it would dial and send again for as long as it
 * is over its quota.
 */
import type { Clock, Timer } from "@lifeline/measure";

/** Time between notices, ms: four of them before an agent gives up. */
export const NOTICE_EVERY_MS = 5_000;

/** Sends notices while reports are held back. */
export class FlowControlNotice {
  readonly #clock: Pick<Clock, "after">;
  readonly #sendNotice: () => Promise<void>;
  #held = 0;
  #timer: Timer | undefined;
  #isSending = false;

  /** No notice is sent before the last one has resolved: they must not pile up for an agent that does not read (S2). */
  constructor(clock: Pick<Clock, "after">, sendNotice: () => Promise<void>) {
    this.#clock = clock;
    this.#sendNotice = sendNotice;
  }

  /** One more report is held back. */
  hold(): void {
    this.#held += 1;
    this.#timer ??= this.#next();
  }

  /** One less is. */
  release(): void {
    this.#held -= 1;
    if (this.#held === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #next(): Timer {
    return this.#clock.after(NOTICE_EVERY_MS, () => this.#tick());
  }

  #tick(): void {
    this.#timer = this.#next();
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sendNotice().then(
      () => {
        this.#isSending = false;
      },
      // The call has ended.
      () => this.stop(),
    );
  }
}
