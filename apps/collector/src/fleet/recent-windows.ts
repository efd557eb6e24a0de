/** The recent windows of one node in memory: what the judge reads. Bounded in age, count and bytes (S2). */
import { outcomeClassOf } from "@lifeline/measure";
import type { Remembered, Window } from "@lifeline/window";

/** Least age kept, ms: twice the judged minute, so that the run before an outage is still known. */
export const RECENT_MS = 120_000;

/** Most windows of one target: 120 s in which each second's sample turned and sealed one, and a margin. */
export const MAX_RECENT_WINDOWS = 128;

/**
 * Most bytes of all targets' windows, by {@link recentBytes}: at rest 96 targets take 1.3 MiB. Where each outcome of
 * theirs turns without end the latest seventy windows of each are kept. The judge reads all of them at once: 8 MiB take
 * it some 30 ms.
 */
export const MAX_RECENT_BYTES = 8 * 1024 * 1024;

/**
 * Bytes of heap that a window takes at least, a bucket of its sketch, and an entry of its evidence beside the text: as
 * measured, opened.
 */
const HEAP_WINDOW_BYTES = 1_024;
const BUCKET_BYTES = 24;
const ENTRY_BYTES = 40;

/** How many bytes a window is counted as: an estimate that grows with everything that may be long. */
export function recentBytes({ rtt, last, lastBad, addresses }: Window): number {
  const ofTarget = HEAP_WINDOW_BYTES + rtt.sketch.size * BUCKET_BYTES + evidenceBytes(last) + evidenceBytes(lastBad);
  return addresses.size === 0 ? ofTarget : ofTarget + bytesOf([...addresses]);
}

/** Recent windows by target. */
export class RecentWindows {
  readonly #byTarget: Map<string, Window[]>;
  #bytes: number;

  constructor(byTarget: Map<string, Window[]> = new Map(), bytes = 0) {
    this.#byTarget = byTarget;
    this.#bytes = bytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a window; false when the target's oldest was dropped for it, or there is no room for it. */
  add(window: Window): boolean {
    const windows = this.#byTarget.get(window.targetId) ?? [];
    this.#byTarget.set(window.targetId, windows);
    const after = windows.findLastIndex(({ endMs }) => endMs <= window.endMs);
    windows.splice(after + 1, 0, window);
    this.#bytes += recentBytes(window);
    let hasRoom = true;
    while (windows.length > MAX_RECENT_WINDOWS || this.#bytes > MAX_RECENT_BYTES) {
      const gone = windows.shift();
      if (gone === undefined) break;
      this.#bytes -= recentBytes(gone);
      hasRoom = false;
    }
    return hasRoom;
  }

  /** Windows of a target, oldest end first. */
  of(targetId: string): readonly Window[] {
    return this.#byTarget.get(targetId) ?? [];
  }

  /** Drops all windows of all targets. */
  clear(): void {
    this.#byTarget.clear();
    this.#bytes = 0;
  }

  copy(): RecentWindows {
    return new RecentWindows(
      new Map([...this.#byTarget].map(([targetId, windows]) => [targetId, [...windows]])),
      this.#bytes,
    );
  }

  /**
   * Drops windows that ended at `beforeMs` or earlier, by target, and those that end after `latestMs`: a clock that was
   * set back since has labelled them, and they would stay longest. Targets without a `beforeMs` are dropped whole. The
   * newest window with a good answer stays, however old: it says how the target was when it last worked.
   */
  prune(beforeMs: (targetId: string) => number | undefined, latestMs: number): void {
    for (const [targetId, windows] of this.#byTarget) {
      const least = beforeMs(targetId);
      const kept = least === undefined ? [] : keptOf(windows, least, latestMs);
      if (kept.length < windows.length) this.#bytes += sum(kept) - sum(windows);
      if (kept.length === 0) this.#byTarget.delete(targetId);
      else this.#byTarget.set(targetId, kept);
    }
  }
}

function keptOf(windows: readonly Window[], leastMs: number, latestMs: number): Window[] {
  const within = windows.filter(({ endMs }) => endMs > leastMs && endMs <= latestMs);
  if (within.some(hasGood)) return within;
  const lastGood = windows.findLast((window) => window.endMs <= leastMs && hasGood(window));
  return lastGood === undefined ? within : [lastGood, ...within];
}

function hasGood({ last }: Window): boolean {
  return last !== undefined && outcomeClassOf(last.reason) === "good";
}

function sum(windows: readonly Window[]): number {
  return windows.reduce((all, window) => all + recentBytes(window), 0);
}

function evidenceBytes(remembered: Remembered | undefined): number {
  return remembered === undefined ? 0 : bytesOf(remembered.evidence);
}

/** Of texts, and of what holds them. */
function bytesOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((all, entry) => all + ENTRY_BYTES + bytesOf(entry), 0);
}
