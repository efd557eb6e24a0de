/** How often a source may try before it has to wait: a token bucket for each source and key. */
import { type Clock, KeyedTokenBuckets } from "@lifeline/measure";

/**
 * Attempts a source may make at once, and how long until it may make one more, ms: enough for a misconfigured rack,
 * slow for guessing.
 */
export const ATTEMPTS_MAX = 20;
export const ATTEMPT_EVERY_MS = 3_000;

/**
 * Most sources kept. The one whose last attempt is oldest is dropped first, because its bucket is most likely full
 * again.
 */
export const ATTEMPT_SOURCES_MAX = 4_096;

/** The attempts of all sources. */
export interface AttemptLimit {
  /**
   * Takes one attempt from the source before it is served, so that concurrent attempts count, too. False: it has none
   * left.
   */
  take(source: string): boolean;
  /** Gives one back that turned out to cost nothing. */
  giveBack(source: string): void;
  readonly sources: () => number;
}

export function createAttemptLimit(clock: Clock): AttemptLimit {
  const rate = { capacity: ATTEMPTS_MAX, perSecond: 1_000 / ATTEMPT_EVERY_MS };
  const buckets = new KeyedTokenBuckets(rate, ATTEMPT_SOURCES_MAX);
  return {
    take: (source) => buckets.take(source, clock.monotonicNs()),
    giveBack: (source) => buckets.giveBack(source),
    sources: () => buckets.size,
  };
}
