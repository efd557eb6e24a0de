/**
 * How long to wait before dialling again: exponential with full jitter, so that a fleet does not dial at the same time.
 */

/** Ceiling of the first wait, ms. */
export const BACKOFF_FIRST_MS = 250;

/** Ceiling of every wait, ms: a collector that is available again is found within this. */
export const BACKOFF_MAX_MS = 15_000;

/**
 * The wait before the dial after `failures` failed ones in a row (0: the first), ms: uniform from 0 to the ceiling,
 * which doubles from {@link BACKOFF_FIRST_MS} to {@link BACKOFF_MAX_MS}.
 */
export function backoffMs(failures: number, random: () => number): number {
  // 2^6 × 250 ms is above the ceiling; the exponent is bounded so that it never overflows.
  const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 6));
  return random() * ceilingMs;
}
