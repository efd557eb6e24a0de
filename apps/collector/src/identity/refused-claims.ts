/** Claims of other keys to node ids that are held, counted by node and reported together. */
import type { Clock, Timer } from "@lifeline/measure";
import type { Store } from "../store/store.ts";

/**
 * How often claims are written and reported, ms: a node that tries without end costs one row and one log line in each.
 */
const REPORT_EVERY_MS = 10_000;

/** Claims of other keys to an id since they were reported last, and where the last of them came from. */
export interface ClaimCount {
  readonly nodeId: string;
  readonly from: string;
  readonly claims: number;
}

/** Bounded: only ids that are held can be claimed by another key. */
export class RefusedClaims {
  readonly #store: Pick<Store, "submit">;
  readonly #clock: Clock;
  readonly #report: (count: ClaimCount) => void;
  readonly #waiting = new Map<string, { claims: number; unwritten: number; from: string }>();
  #timer: Timer | undefined;

  constructor(store: Pick<Store, "submit">, clock: Clock, report: (count: ClaimCount) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#report = report;
  }

  /** Counts one claim. `unwritten` is 0 where the store has counted it already. */
  count(nodeId: string, from: string, unwritten: 0 | 1): void {
    const before = this.#waiting.get(nodeId) ?? { claims: 0, unwritten: 0 };
    this.#waiting.set(nodeId, { claims: before.claims + 1, unwritten: before.unwritten + unwritten, from });
    this.#timer ??= this.#clock.after(REPORT_EVERY_MS, () => void this.#write());
  }

  /** Writes and reports what is not yet. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#write();
  }

  async #write(): Promise<void> {
    this.#timer = undefined;
    const nowMs = Math.round(this.#clock.wallMs());
    const claimed = [...this.#waiting];
    this.#waiting.clear();
    const writes = claimed.map(async ([nodeId, { claims, unwritten, from }]) => {
      this.#report({ nodeId, from, claims });
      if (unwritten === 0) return;
      // A count that cannot be written is lost to the row; the metric has it.
      await this.#store.submit("countRefusedClaims", { nodeId, claims: unwritten, nowMs, from }).catch(() => undefined);
    });
    await Promise.all(writes);
  }
}
