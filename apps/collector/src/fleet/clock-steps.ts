/**
 * Steps of the collector's own wall clock. The offset of a node's clock is relative to it and changes with each step.
 * Without a correction a node would be judged too early or too late until its next message, and a silent one would keep
 * its verdicts.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/**
 * Least difference between two checks that is a step, ms: a clock that runs too fast or too slow drifts less (500 ppm,
 * adjtimex(2)).
 */
export const STEP_MIN_MS = 1_000;

export class ClockSteps {
  readonly #clock: Pick<Clock, "wallMs" | "monotonicNs">;
  #apartMs: number;

  constructor(clock: Pick<Clock, "wallMs" | "monotonicNs">) {
    this.#clock = clock;
    this.#apartMs = this.#apartNowMs();
  }

  /**
   * How far the wall clock was set since the last call, ms; positive: ahead, 0: it was not. To be called once a second.
   */
  takeStepMs(): number {
    const apartMs = this.#apartNowMs();
    const stepMs = Math.round(apartMs - this.#apartMs);
    this.#apartMs = apartMs;
    return Math.abs(stepMs) < STEP_MIN_MS ? 0 : stepMs;
  }

  #apartNowMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicNs() / NS_PER_MS;
  }
}
