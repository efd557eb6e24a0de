/**
 * The reports of one stream that have no answer yet. Few at a time, whether the store is slow or the agent does not
 * read its answers (S2).
 */
import type { Notifier } from "./notifier.ts";

/**
 * After how many reports, bytes of them, or decoded windows without an answer no more are read: further ones wait in
 * the agent's spool. Of 96 windows each 64 reports are 6,144, some 7 MB decoded.
 */
const MAX_IN_FLIGHT = { reports: 64, bytes: 2 * 1024 * 1024, windows: 6_144 } as const;

export class InFlightReports {
  readonly #changes: Notifier;
  readonly #onFailure: (error: unknown) => void;
  readonly #answers = new Set<Promise<void>>();
  #bytes = 0;
  #windows = 0;

  /** `changes` is notified when there is one less; `onFailure`: a report could not be answered. */
  constructor(changes: Notifier, onFailure: (error: unknown) => void) {
    this.#changes = changes;
    this.#onFailure = onFailure;
  }

  get isFull(): boolean {
    const { reports, bytes, windows } = MAX_IN_FLIGHT;
    return this.#answers.size >= reports || this.#bytes >= bytes || this.#windows >= windows;
  }

  /** Takes a report of that size until its answer is sent. */
  begin(answer: Promise<void>, bytes: number): void {
    this.#bytes += bytes;
    const answered = answer.catch(this.#onFailure).finally(() => {
      this.#answers.delete(answered);
      this.#bytes -= bytes;
      this.#changes.notify();
    });
    this.#answers.add(answered);
  }

  /** Counts decoded windows while `work` is under way. */
  async withWindows(windows: number, work: () => Promise<void>): Promise<void> {
    this.#windows += windows;
    try {
      await work();
    } finally {
      this.#windows -= windows;
    }
  }

  /** Resolves when every report has been answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#answers);
  }
}
