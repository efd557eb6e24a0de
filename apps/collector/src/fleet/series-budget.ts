/** How many targets of all nodes may have series of their own (S2). */

/** Most targets with series of their own over all nodes: some 23 lines of metrics each. */
const MAX_SERIES = 100_000;

/** What is left of {@link MAX_SERIES}. */
export class SeriesBudget {
  #left = MAX_SERIES;

  /** Takes the series of one target; false: none is left. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  /** Gives the series of so many targets back. */
  giveBack(targets: number): void {
    this.#left += targets;
  }
}
