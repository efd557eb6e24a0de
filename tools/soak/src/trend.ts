/** How a figure grows: a straight line through its readings by least squares. Pure. */

/** A figure at a moment. */
export interface Reading {
  readonly seconds: number;
  readonly value: number;
}

/** The figure over all readings, and its growth over those after the warm-up. */
export interface Trend {
  readonly readings: number;
  readonly least: number;
  readonly median: number;
  readonly greatest: number;
  /**
   * Growth in an hour with its 95 % interval; undefined with fewer than {@link FITTED_MIN} readings after the warm-up.
   */
  readonly perHour: { readonly slope: number; readonly low: number; readonly high: number } | undefined;
}

/** The part of the time that is warm-up: caches, compiled code, and pages that are touched for the first time. */
const WARM_UP = 1 / 3;

/** Fewest readings that a line is laid through: with fewer the expansion of Student's t is off by more than 1 %. */
export const FITTED_MIN = 6;

const SECONDS_PER_HOUR = 3_600;

/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959964;

/** The trend of readings in the order of time; undefined of none. */
export function trendOf(readings: readonly Reading[]): Trend | undefined {
  const sorted = readings.map(({ value }) => value).sort((a, b) => a - b);
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  const first = readings[0];
  const last = readings.at(-1);
  if (least === undefined || greatest === undefined || first === undefined || last === undefined) return undefined;
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? least) + (sorted[Math.floor(middle)] ?? least)) / 2;
  const warmSeconds = first.seconds + (last.seconds - first.seconds) * WARM_UP;
  const fitted = readings.filter(({ seconds }) => seconds >= warmSeconds);
  return { readings: readings.length, least, median, greatest, perHour: growthOf(fitted) };
}

/**
 * Slope b = Sxy / Sxx, and b ± t · s / √Sxx with s² = SSE / (n − 2) and Student's t of n − 2 degrees of freedom. It
 * takes readings for independent; where each resembles the one before it, as memory's do between collections, the true
 * interval is wider.
 */
function growthOf(readings: readonly Reading[]): Trend["perHour"] {
  const count = readings.length;
  if (count < FITTED_MIN) return undefined;
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const hours = readings.map(({ seconds }) => seconds / SECONDS_PER_HOUR);
  const values = readings.map(({ value }) => value);
  const [meanX, meanY] = [meanOf(hours), meanOf(values)];
  let sxx = 0;
  let sxy = 0;
  for (const [at, x] of hours.entries()) {
    sxx += (x - meanX) ** 2;
    sxy += (x - meanX) * ((values[at] ?? 0) - meanY);
  }
  const slope = sxy / sxx;
  const squares = hours.map((x, at) => ((values[at] ?? 0) - meanY - slope * (x - meanX)) ** 2);
  const variance = squares.reduce((sum, square) => sum + square, 0) / (count - 2);
  const half = studentT(count - 2) * Math.sqrt(variance / sxx);
  return { slope, low: slope - half, high: slope + half };
}

/**
 * The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5, three terms): within 0.5 % from four degrees of
 * freedom on.
 */
function studentT(freedom: number): number {
  const first = (Z ** 3 + Z) / 4;
  const second = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / 96;
  const third = (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / 384;
  return Z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}
