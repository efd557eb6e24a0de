/**
 * Under which node ids a stream was open lately: an agent that was connected a moment ago may be on its way back.
 *
 * 1. For {@link SILENT_AFTER_MS} after the collector's own start no id counts as silent, because no node could connect
 *    before.
 * 2. Bounded: an end is dropped once the id is silent, and only streams of authenticated nodes are noted.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/**
 * How long after its last stream an id counts as silent, ms: twice an agent's longest wait between two dials (agent:
 * uplink/backoff).
 */
export const SILENT_AFTER_MS = 30_000;

export class IdActivity {
  readonly #clock: Pick<Clock, "monotonicNs">;
  readonly #startedNs: number;
  /** When the last stream of each id ended, the oldest first. */
  readonly #endedNs = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicNs">) {
    this.#clock = clock;
    this.#startedNs = clock.monotonicNs();
  }

  /** The last stream under an id has ended. */
  ended(nodeId: string): void {
    for (const [id, endedNs] of this.#endedNs) {
      if (!this.#isOver(endedNs)) break;
      this.#endedNs.delete(id);
    }
    this.#endedNs.delete(nodeId);
    this.#endedNs.set(nodeId, this.#clock.monotonicNs());
  }

  /** Whether no stream of the id ended lately. Whether one is open is for the caller to know. */
  isSilent(nodeId: string): boolean {
    return this.#isOver(this.#endedNs.get(nodeId) ?? this.#startedNs);
  }

  #isOver(sinceNs: number): boolean {
    return this.#clock.monotonicNs() - sinceNs >= SILENT_AFTER_MS * NS_PER_MS;
  }
}
