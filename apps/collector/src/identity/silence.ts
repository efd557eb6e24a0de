/**
 * Node ids under which nobody has spoken for a while: whoever spoke a moment ago may be on its way back.
 *
 * 1. For so long after the collector's own start no id is silent: before it nobody could speak.
 * 2. Bounded: what is noted is forgotten once it says nothing any more, and only streams of nodes that were let in are noted.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/** How long an id has been quiet before it counts as silent, ms: twice an agent's longest wait between two dials (agent: uplink/backoff). */
export const SILENT_AFTER_MS = 30_000;

/** When ids were last spoken under. */
export interface Silence {
  /** The last stream under an id has ended. */
  note(nodeId: string): void;
  /** Whether nobody spoke under it lately; who speaks at the moment is for others to say. */
  isSilent(nodeId: string): boolean;
}

export function createSilence(clock: Pick<Clock, "monotonicNs">): Silence {
  const startedNs = clock.monotonicNs();
  /** In the order of their ends. */
  const endedNs = new Map<string, number>();
  const isOver = (sinceNs: number) => clock.monotonicNs() - sinceNs >= SILENT_AFTER_MS * NS_PER_MS;
  return {
    note(nodeId) {
      for (const [id, sinceNs] of endedNs) {
        if (!isOver(sinceNs)) break;
        endedNs.delete(id);
      }
      endedNs.delete(nodeId);
      endedNs.set(nodeId, clock.monotonicNs());
    },
    isSilent: (nodeId) => isOver(endedNs.get(nodeId) ?? startedNs),
  };
}
