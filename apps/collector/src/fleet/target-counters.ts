/** What one target of one node has shown since the collector started: monotone counters for the fleet's series. */
import { type Cause, type DirectionCounts, outcomeClassOf, reasonFacts } from "@lifeline/measure";
import { addDirections, bucketUpperNs, lossOf, NO_DIRECTIONS, type Window } from "@lifeline/window";

/**
 * Upper bounds of the exported round-trip histogram, ns: every power of two from 2^15 (32.8 µs) to 2^33 (8.59 s). The sketch's
 * buckets end at powers of 2^(1/32), so each lies wholly within one of these: the counts are exact, not interpolated.
 */
export const RTT_BOUNDS_NS: readonly number[] = Array.from({ length: 19 }, (_, at) => 2 ** (15 + at));

/** Counters of one target; none ever falls within a collector's life. */
export interface Tally {
  attempts: number;
  lost: number;
  readonly failures: Map<Cause, number>;
  /** Samples at or under each of {@link RTT_BOUNDS_NS}, not cumulative; the last place holds those above all. */
  readonly rttCounts: number[];
  rttSumNs: number;
  rttCount: number;
  /** Of numbered packets; all zero where there are none. */
  directions: DirectionCounts;
}

export function emptyTally(): Tally {
  return {
    attempts: 0,
    lost: 0,
    failures: new Map(),
    rttCounts: Array.from({ length: RTT_BOUNDS_NS.length + 1 }, () => 0),
    rttSumNs: 0,
    rttCount: 0,
    directions: NO_DIRECTIONS,
  };
}

/** Adds a window. Attempts are those whose packet left; failures are told by cause, loss among them as `timeout`. */
export function addToTally(tally: Tally, window: Window): void {
  const { sent, lost } = lossOf(window);
  tally.attempts += sent;
  tally.lost += lost;
  for (const [reason, count] of window.counts) {
    const { cause, kind } = reasonFacts(reason);
    const isFailure = kind === "observed" ? outcomeClassOf(reason) === "bad" : kind !== "answered" && kind !== "silent";
    if (isFailure) tally.failures.set(cause, (tally.failures.get(cause) ?? 0) + count);
  }
  for (const [index, count] of window.rtt.sketch) {
    const upperNs = bucketUpperNs(index);
    const place = RTT_BOUNDS_NS.findIndex((boundNs) => upperNs <= boundNs);
    const at = place === -1 ? RTT_BOUNDS_NS.length : place;
    tally.rttCounts[at] = (tally.rttCounts[at] ?? 0) + count;
    tally.rttCount += count;
  }
  tally.rttSumNs += window.rtt.sumNs;
  tally.directions = addDirections(tally.directions, window.directions);
}
