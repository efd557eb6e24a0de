/** Order statistics of a set of figures, and how two sets compare. Pure. */
import assert from "node:assert";

/** A set of figures at a glance; all in the unit of what was summed up. */
export interface Distribution {
  readonly n: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Sums up at least one figure. */
export function distributionOf(figures: readonly number[]): Distribution {
  const sorted = [...figures].sort((a, b) => a - b);
  return {
    n: sorted.length,
    min: quantile(sorted, 0),
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

/**
 * The nearest-rank quantile: the smallest figure that at least the share `ratio` (0–1) of all do not exceed. Always one
 * of the figures, never interpolated. `sorted` ascends and is not empty.
 */
export function quantile(sorted: readonly number[], ratio: number): number {
  assert(ratio >= 0 && ratio <= 1, `quantile of ${ratio}`);
  // 0.55 × 100 is 55.00000000000001 in floating point, and its rank is 55.
  const rank = Math.max(1, Math.ceil(ratio * sorted.length - 1e-9));
  const figure = sorted[rank - 1];
  assert(figure !== undefined, "quantile of nothing");
  return figure;
}

/**
 * How far `figure` is from nothing, in units of `peer`'s distance; undefined where the peer has none. Below 1 is
 * nearer.
 */
export function ratioTo(figure: number, peer: number): number | undefined {
  return peer === 0 ? undefined : Math.abs(figure) / Math.abs(peer);
}
