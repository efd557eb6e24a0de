/** How often a source may try before it has to wait: a token bucket for each source and key, on the monotonic clock. */
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/** Attempts a source may spend at once, and how long until it may spend one more, ms: a misconfigured rack is told, a guesser is slowed. */
export const ATTEMPTS_MAX = 20;
export const ATTEMPT_EVERY_MS = 3_000;

/** Most sources that are remembered; the one that spent longest ago is forgotten first, when its bucket is most likely full anyway. */
export const SOURCES_MAX = 4_096;

/** The attempts of all sources. */
export interface AttemptLimit {
  /** Takes one attempt from the source, before anything is done for it: those at the same time count as well. False: it has none left. */
  take(source: string): boolean;
  /** Gives one back that turned out to cost nothing. */
  giveBack(source: string): void;
  readonly sources: () => number;
}

interface Bucket {
  left: number;
  atNs: number;
}

export function createAttemptLimit(clock: Clock): AttemptLimit {
  // In the order of their last attempt.
  const buckets = new Map<string, Bucket>();
  const leftNow = ({ left, atNs }: Bucket, nowNs: number) =>
    Math.min(ATTEMPTS_MAX, left + (nowNs - atNs) / (ATTEMPT_EVERY_MS * NS_PER_MS));
  return {
    take(source) {
      const nowNs = clock.monotonicNs();
      const left = leftNow(buckets.get(source) ?? { left: ATTEMPTS_MAX, atNs: nowNs }, nowNs);
      if (left < 1) return false;
      buckets.delete(source);
      buckets.set(source, { left: left - 1, atNs: nowNs });
      const [oldest] = buckets.keys();
      if (buckets.size > SOURCES_MAX && oldest !== undefined) buckets.delete(oldest);
      return true;
    },
    giveBack(source) {
      const bucket = buckets.get(source);
      if (bucket === undefined) return;
      const nowNs = clock.monotonicNs();
      buckets.set(source, { left: Math.min(ATTEMPTS_MAX, leftNow(bucket, nowNs) + 1), atNs: nowNs });
    },
    sources: () => buckets.size,
  };
}
