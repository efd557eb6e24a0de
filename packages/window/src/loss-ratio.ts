/** Loss as a ratio with its uncertainty. Formulas: RFC 7680 (one-way loss), Wilson (1927) score interval. */

/** Standard normal quantile of a two-sided 95 % interval. */
const Z_95 = 1.959963984540054;

/** Both ends of an interval of a ratio, 0–1, low first. */
export type RatioInterval = readonly [low: number, high: number];

/**
 * The 95 % Wilson score interval of `hits` in `trials`. No trials give [0, 1], because nothing is known (M4).
 * Unlike the normal approximation it stays inside [0, 1] and is right for few trials and no hits.
 */
export function wilsonInterval(hits: number, trials: number): RatioInterval {
  if (trials === 0) return [0, 1];
  const ratio = hits / trials;
  const z2 = Z_95 * Z_95;
  const centre = (ratio + z2 / (2 * trials)) / (1 + z2 / trials);
  const spread = (Z_95 / (1 + z2 / trials)) * Math.sqrt((ratio * (1 - ratio)) / trials + z2 / (4 * trials * trials));
  // With no hits or only hits the interval ends exactly at 0 or 1. Floating point would miss by a rounding error.
  return [hits === 0 ? 0 : Math.max(0, centre - spread), hits === trials ? 1 : Math.min(1, centre + spread)];
}

/**
 * The probability, 0–1, of `hits` or more in `trials` that hit with `probability` each: the upper tail of the binomial
 * distribution. Exact except for rounding, which matters below 1e-14.
 */
export function binomialTail(hits: number, trials: number, probability: number): number {
  if (hits <= 0) return 1;
  if (hits > trials) return 0;
  let term = (1 - probability) ** trials;
  let below = term;
  for (let k = 1; k < hits; k += 1) {
    term *= ((trials - k + 1) / k) * (probability / (1 - probability));
    below += term;
  }
  return Math.max(0, 1 - below);
}

/**
 * The probability, 0–1, that a path of which `failed` of `ended` attempts failed lets the next `clean` ones all pass:
 * the beta-binomial posterior prediction with the Jeffreys prior Beta(½, ½) (Brown, Cai and DasGupta, Statistical
 * Science 2001, section 4). A small value means that the path is no longer what it was.
 */
export function cleanRunChance(failed: number, ended: number, clean: number): number {
  const passed = ended - failed;
  let chance = 1;
  for (let at = 0; at < clean; at += 1) chance *= (passed + 0.5 + at) / (ended + 1 + at);
  return chance;
}

/** The attempts of a window, by outcome kind. */
export interface LossCount {
  /** Attempts that ended, without those that were not measured and those sent to a peer that need not answer. */
  readonly ended: number;
  /** Those of them that did not do what they should: lost, rejected, late, or never sent because of a fault. */
  readonly failed: number;
  /** Attempts that sent a packet, whatever the outcome. */
  readonly sent: number;
  /** Sent, no answer within the threshold. */
  readonly lost: number;
  /** An answer after the threshold. */
  readonly late: number;
  /** Sent to a peer that need not answer; not part of the ratio. */
  readonly silent: number;
  readonly notSent: number;
  /** lost / (sent − silent), 0–1; undefined when nothing was sent that should have been answered. */
  readonly ratio: number | undefined;
  /** 95 % Wilson interval of the ratio. */
  readonly interval: RatioInterval;
}
