/** A bound on how often windows seal early. */
import { NS_PER_MS } from "@lifeline/measure";
import { WINDOW_MS } from "@lifeline/window";

/** Allows so many early seals within any WINDOW_MS. */
export class SealLimit {
  readonly #max: number;
  #timesNs: number[] = [];

  /** `max`: most within WINDOW_MS. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Counts a seal at `nowNs` of the monotonic clock; false, and not counted, when there have been too many. */
  take(nowNs: number): boolean {
    this.#timesNs = this.#timesNs.filter((timeNs) => nowNs - timeNs < WINDOW_MS * NS_PER_MS);
    if (this.#timesNs.length >= this.#max) return false;
    this.#timesNs.push(nowNs);
    return true;
  }
}
