/** How often a source may try before it has to wait: a token bucket for each address and key, on the monotonic clock. */
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/** Attempts a source may spend at once, and how long until it may spend one more, ms: a misconfigured rack is told, a guesser is slowed. */
export const ATTEMPTS_MAX = 20;
export const ATTEMPT_EVERY_MS = 3_000;

/** Most sources that are remembered; the one that spent longest ago is forgotten first, when its bucket is most likely full anyway. */
export const SOURCES_MAX = 4_096;

/** The attempts of all sources. */
export interface AttemptLimit {
  /** Whether the source may try now. */
  mayTry(source: string): boolean;
  /** Takes one attempt from the source. */
  spend(source: string): void;
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
    mayTry(source) {
      const bucket = buckets.get(source);
      return bucket === undefined || leftNow(bucket, clock.monotonicNs()) >= 1;
    },
    spend(source) {
      const nowNs = clock.monotonicNs();
      const bucket = buckets.get(source) ?? { left: ATTEMPTS_MAX, atNs: nowNs };
      buckets.delete(source);
      buckets.set(source, { left: Math.max(0, leftNow(bucket, nowNs) - 1), atNs: nowNs });
      const [oldest] = buckets.keys();
      if (buckets.size > SOURCES_MAX && oldest !== undefined) buckets.delete(oldest);
    },
    sources: () => buckets.size,
  };
}
