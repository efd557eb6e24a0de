/**
 * Two machines under one node id: each takes the other's place, again and again.
 *
 * A restart brings a new boot and never the old one back; so a boot that speaks again after another one did is a second machine. It
 * counts as long as such a swap was seen within {@link QUIET_MS}.
 */
import type { DuplicateNode } from "@lifeline/verdict";

/** How long without a swap ends it, ms: agents come back within the bound of their backoff, a minute. */
export const QUIET_MS = 90_000;

/** Boots remembered: two are a duplicate, more only repeat it. */
const MAX_BOOTS = 8;

/** Who spoke, as people know them. */
interface Speaker {
  readonly boot: string;
  readonly words: string;
}

/** Follows the boots of one node. */
export interface BootHistory {
  /** A stream has been opened by `boot` (hexadecimal) at `nowMs`, from `words`: address and host name. */
  spoke(boot: string, words: string, nowMs: number): void;
  /** What is known at `nowMs`; undefined: one machine as far as can be told. */
  duplicate(nowMs: number): DuplicateNode | undefined;
}

export function createBootHistory(): BootHistory {
  /** In the order in which they first spoke; the latest speaker is `last`. */
  const speakers = new Map<string, Speaker>();
  let last: string | undefined;
  let sinceMs: number | undefined;
  let swappedMs = 0;
  return {
    spoke(boot, words, nowMs) {
      if (last !== undefined && boot !== last && speakers.has(boot)) {
        if (sinceMs === undefined || nowMs - swappedMs > QUIET_MS) sinceMs = nowMs;
        swappedMs = nowMs;
      }
      speakers.set(boot, { boot, words });
      const [oldest] = speakers.keys();
      if (speakers.size > MAX_BOOTS && oldest !== undefined) speakers.delete(oldest);
      last = boot;
    },
    duplicate(nowMs) {
      if (sinceMs === undefined || nowMs - swappedMs > QUIET_MS) return undefined;
      const words = [...new Set([...speakers.values()].map((speaker) => speaker.words))].sort();
      return { speakers: words, sinceMs };
    },
  };
}
