/**
 * What each target of a node reported since the collector started: counters for the fleet's series. None ever falls.
 */
import { type Cause, type DirectionCounts, isFlawless, outcomeClassOf, reasonFacts } from "@lifeline/measure";
import { addDirections, bucketUpperNs, lossOf, NO_DIRECTIONS, type Window } from "@lifeline/window";
import type { SeriesBudget } from "./series-budget.ts";

/**
 * Upper bounds of the exported round-trip histogram, ns: every power of two from 2^15 (32.8 µs) to 2^33 (8.59 s). The
 * sketch's buckets end at powers of 2^(1/32), so each lies wholly within one of these: the counts are exact, not
 * interpolated.
 */
export const RTT_BOUNDS_NS: readonly number[] = Array.from({ length: 19 }, (_, at) => 2 ** (15 + at));

/** Counters of one target. */
export interface TargetCounters {
  readonly attempts: number;
  readonly lost: number;
  readonly failures: ReadonlyMap<Cause, number>;
  /** Samples at or under each of {@link RTT_BOUNDS_NS}, not cumulative; the last place holds those above all. */
  readonly rttCounts: readonly number[];
  readonly rttSumNs: number;
  readonly rttCount: number;
  /** Of numbered packets; all zero where there are none. */
  readonly directions: DirectionCounts;
}

type MutableCounters = { -readonly [K in keyof TargetCounters]: TargetCounters[K] } & {
  readonly failures: Map<Cause, number>;
  readonly rttCounts: number[];
};

/** The counters of one node, by target. */
export class NodeCounters {
  readonly #series: SeriesBudget;
  readonly #byTarget = new Map<string, MutableCounters>();

  constructor(series: SeriesBudget) {
    this.#series = series;
  }

  /** Undefined: the target has reported nothing, or there was no room for its series. */
  of(targetId: string): TargetCounters | undefined {
    return this.#byTarget.get(targetId);
  }

  /** Adds a window; false: there is no room for the series of its target. */
  add(window: Window): boolean {
    const known = this.#byTarget.get(window.targetId);
    if (known === undefined && !this.#series.take()) return false;
    const counters = known ?? zeros();
    if (known === undefined) this.#byTarget.set(window.targetId, counters);
    addWindow(counters, window);
    return true;
  }

  /** Drops the counters of all other targets. */
  keepOnly(targetIds: ReadonlySet<string>): void {
    for (const targetId of this.#byTarget.keys()) {
      if (!targetIds.has(targetId) && this.#byTarget.delete(targetId)) this.#series.giveBack(1);
    }
  }

  clear(): void {
    this.#series.giveBack(this.#byTarget.size);
    this.#byTarget.clear();
  }
}

function zeros(): MutableCounters {
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

/**
 * Attempts are those whose packet left. Failures are counted by cause, loss among them as `timeout`. An attempt that
 * was not measured is none, and neither is one that sent nothing: it is no failure of the endpoint.
 */
function addWindow(counters: MutableCounters, window: Window): void {
  const { sent, lost } = lossOf(window);
  counters.attempts += sent;
  counters.lost += lost;
  for (const [reason, count] of window.counts) {
    const { cause, kind } = reasonFacts(reason);
    const outcomeClass = outcomeClassOf(reason);
    const wasMeasured = (outcomeClass === "good" || outcomeClass === "bad") && kind !== "not-sent";
    const isFailure = wasMeasured && !isFlawless(reason);
    if (isFailure) counters.failures.set(cause, (counters.failures.get(cause) ?? 0) + count);
  }
  for (const [index, count] of window.rtt.sketch) {
    const upperNs = bucketUpperNs(index);
    const place = RTT_BOUNDS_NS.findIndex((boundNs) => upperNs <= boundNs);
    const at = place === -1 ? RTT_BOUNDS_NS.length : place;
    counters.rttCounts[at] = (counters.rttCounts[at] ?? 0) + count;
    counters.rttCount += count;
  }
  counters.rttSumNs += window.rtt.sumNs;
  counters.directions = addDirections(counters.directions, window.directions);
}
