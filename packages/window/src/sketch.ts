/**
 * A latency sketch: a base-2 exponential histogram. Its buckets are those of OpenTelemetry's exponential and
 * Prometheus's native histograms, so exporting needs no conversion.
 *
 * 1. Bucket i holds values in (2^(i/32), 2^((i+1)/32)]. Merging adds counts, so order and grouping do not matter (W1).
 * 2. A quantile read from the bucket's geometric middle is within {@link SKETCH_RELATIVE_ERROR} of the true one.
 * 3. Values are clamped to 1 ns … 2^36 ns (68.7 s), so there are at most {@link SKETCH_MAX_BUCKETS} buckets (S2).
 */

/** Resolution in OpenTelemetry's terms: 2^5 buckets for each doubling. */
export const SKETCH_SCHEMA = 5;

const BUCKETS_PER_DOUBLING = 2 ** SKETCH_SCHEMA;

/** log2 of the largest distinct value in ns: above the longest timeout of a target (60 s < 2^36 ns). */
const MAX_LOG2_NS = 36;

/** The largest distinct value, ns. Larger values count as this one. */
export const SKETCH_MAX_NS = 2 ** MAX_LOG2_NS;

/** Lowest bucket index, that of 1 ns: (2^(-1/32), 1]. */
export const SKETCH_MIN_INDEX = -1;

/** Highest bucket index: that of {@link SKETCH_MAX_NS}. */
export const SKETCH_MAX_INDEX = MAX_LOG2_NS * BUCKETS_PER_DOUBLING - 1;

/** The most buckets that a sketch can hold. */
export const SKETCH_MAX_BUCKETS = SKETCH_MAX_INDEX - SKETCH_MIN_INDEX + 1;

/** Largest relative error of a quantile: half a bucket on the log scale, 2^(1/64) − 1 ≈ 1.09 %. */
export const SKETCH_RELATIVE_ERROR = 2 ** (1 / (2 * BUCKETS_PER_DOUBLING)) - 1;

/** Samples per bucket index; absent = none. */
export type Sketch = ReadonlyMap<number, number>;

/** The bucket that holds `ns`. */
export function bucketIndex(ns: number): number {
  const clamped = Math.min(Math.max(ns, 1), SKETCH_MAX_NS);
  return Math.ceil(Math.log2(clamped) * BUCKETS_PER_DOUBLING) - 1;
}

/** Upper bound of a bucket in ns, inclusive; the bucket below ends where this one begins. */
export function bucketUpperNs(index: number): number {
  return 2 ** ((index + 1) / BUCKETS_PER_DOUBLING);
}

/** Adds the counts of `from` into `into`. */
export function addSketch(into: Map<number, number>, from: Sketch): void {
  for (const [index, count] of from) into.set(index, (into.get(index) ?? 0) + count);
}

/** Samples in the sketch. */
export function sketchCount(sketch: Sketch): number {
  let count = 0;
  for (const inBucket of sketch.values()) count += inBucket;
  return count;
}

/**
 * The `q` quantile (0–1) in ns by nearest rank: the value of the ⌈q·n⌉-th smallest sample, to within
 * {@link SKETCH_RELATIVE_ERROR}. Undefined when the sketch is empty.
 */
export function sketchQuantileNs(sketch: Sketch, q: number): number | undefined {
  const count = sketchCount(sketch);
  if (count === 0) return undefined;
  const rank = Math.max(1, Math.ceil(q * count));
  let below = 0;
  for (const index of [...sketch.keys()].sort((a, b) => a - b)) {
    below += sketch.get(index) ?? 0;
    if (below >= rank) return 2 ** ((index + 0.5) / BUCKETS_PER_DOUBLING);
  }
  return undefined;
}
