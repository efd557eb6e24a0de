/**
 * Two machines under one node id: each takes the other's place, again and again.
 *
 * A restart brings a new boot and never the old one back; so a boot that speaks again after another one did is a second machine. It
 * counts as long as such a swap was seen within {@link QUIET_MS}.
 */
import type { DuplicateNode } from "@lifeline/verdict";

/** How long without a swap ends it, and how soon a swap must follow, ms: agents come back within 15 s (their backoff), a few times over. */
export const QUIET_MS = 90_000;

/** Boots remembered: two are a duplicate, more only repeat it. */
const MAX_BOOTS = 8;

/** Who spoke, as people know them. */
interface StreamPrincipal {
  readonly words: string;
  readonly spokeMs: number;
  /** Whether it came back after another had spoken, or was the other. */
  isDouble: boolean;
}

/** Follows the boots of one node. */
export interface BootHistory {
  /** A stream has been opened by `boot` (hexadecimal) at `nowMs`, from `words`: address and host name. */
  spoke(boot: string, words: string, nowMs: number): void;
  /** What is known at `nowMs`; undefined: one machine as far as can be told. */
  duplicate(nowMs: number): DuplicateNode | undefined;
}

export function createBootHistory(): BootHistory {
  /** In the order in which they last spoke. */
  const speakers = new Map<string, StreamPrincipal>();
  let last: string | undefined;
  let sinceMs: number | undefined;
  let swappedMs = 0;
  return {
    spoke(boot, words, nowMs) {
      const before = speakers.get(boot);
      const other = last === undefined || last === boot ? undefined : speakers.get(last);
      const isSwap = before !== undefined && other !== undefined && Math.abs(nowMs - before.spokeMs) <= QUIET_MS;
      if (isSwap) {
        if (sinceMs === undefined || Math.abs(nowMs - swappedMs) > QUIET_MS) sinceMs = nowMs;
        swappedMs = nowMs;
        other.isDouble = true;
      }
      speakers.delete(boot);
      speakers.set(boot, { words, spokeMs: nowMs, isDouble: isSwap || before?.isDouble === true });
      const [oldest] = speakers.keys();
      if (speakers.size > MAX_BOOTS && oldest !== undefined) speakers.delete(oldest);
      last = boot;
    },
    duplicate(nowMs) {
      // Ahead of now: by a clock that was set back since.
      if (sinceMs === undefined || Math.abs(nowMs - swappedMs) > QUIET_MS) return undefined;
      const doubles = [...speakers].filter(([, { isDouble }]) => isDouble);
      const words = doubles.map(([boot, principal]) => {
        // Clones behind one NAT have all their words in common.
        const isTold = doubles.every(([other, { words: of }]) => other === boot || of !== principal.words);
        return isTold ? principal.words : `${principal.words}, boot ${boot.slice(0, 8)}`;
      });
      return { peers: words.sort(), sinceMs };
    },
  };
}
