/** The recent windows of one node in memory: what the judge reads. Bounded in age and count (S2). */
import { bearingOf } from "@lifeline/measure";
import type { Window } from "@lifeline/window";

/** Least age kept, ms: twice the judged minute, so that the run before an outage is still known. */
export const RECENT_MS = 120_000;

/** Most windows of one target: 120 s in which each second's sample turned and sealed one, and a margin. */
export const MAX_RECENT_WINDOWS = 128;

/** Recent windows by target. */
export interface Recent {
  /** Takes a window; false when the oldest had to go for it. */
  add(window: Window): boolean;
  /** Windows of a target, oldest end first. */
  of(targetId: string): readonly Window[];
  /** The same windows, to go their own way. */
  copy(): Recent;
  /**
   * Drops windows that ended at `beforeMs` or earlier, by target, and those that end after `latestMs`: a clock that was set back
   * since has labelled them, and they would outstay all others. Targets without a `beforeMs` go whole. The newest window that holds
   * an answer as it should be stays, however old: it says what it was like when it last worked.
   */
  prune(beforeMs: (targetId: string) => number | undefined, latestMs: number): void;
}

export function createRecent(): Recent {
  return recentOf(new Map());
}

function keptOf(windows: readonly Window[], leastMs: number, latestMs: number): Window[] {
  const within = windows.filter(({ endMs }) => endMs > leastMs && endMs <= latestMs);
  if (within.some(hasGood)) return within;
  const lastGood = windows.findLast((window) => window.endMs <= leastMs && hasGood(window));
  return lastGood === undefined ? within : [lastGood, ...within];
}

function hasGood({ last }: Window): boolean {
  return last !== undefined && bearingOf(last.reason) === "good";
}

function recentOf(byTarget: Map<string, Window[]>): Recent {
  return {
    add(window) {
      const windows = byTarget.get(window.targetId) ?? [];
      byTarget.set(window.targetId, windows);
      const after = windows.findLastIndex(({ endMs }) => endMs <= window.endMs);
      windows.splice(after + 1, 0, window);
      if (windows.length <= MAX_RECENT_WINDOWS) return true;
      windows.shift();
      return false;
    },
    copy: () => recentOf(new Map([...byTarget].map(([targetId, windows]) => [targetId, [...windows]]))),
    of: (targetId) => byTarget.get(targetId) ?? [],
    prune(beforeMs, latestMs) {
      for (const [targetId, windows] of byTarget) {
        const least = beforeMs(targetId);
        const kept = least === undefined ? [] : keptOf(windows, least, latestMs);
        if (kept.length === 0) byTarget.delete(targetId);
        else byTarget.set(targetId, kept);
      }
    },
  };
}
