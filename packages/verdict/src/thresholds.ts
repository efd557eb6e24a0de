/** The numbers the judge decides by. All are inputs, so that an audit can be replayed with those of its day (J1). */

/** When a verdict turns. */
export interface Thresholds {
  /** The lookback: how far back windows are judged, ms. Those that ended within it are merged. */
  readonly lookbackMs: number;
  /** Without a window that ended within this, ms, nothing is known (M4). */
  readonly staleAfterMs: number;
  /** Bad samples in a row that are proof when something said no: a reset, an ICMP error, a certificate, a status. */
  readonly proofRunLength: number;
  /** Bad samples in a row that are proof when nothing came back. */
  readonly lossRunLength: number;
  /**
   * How long a run of unanswered questions to a resolver must last to be proof, ms: the attempts of a target share one question while it
   * is under way, and its answer for a second after, so that three attempts may be one lost packet.
   */
  readonly sharedQueryMs: number;
  /** Good samples in a row that end a bad run. */
  readonly recoveryRunLength: number;
  /** Ratio, 0–1, of attempts that may go unanswered by chance on a path that is called good. */
  readonly toleratedLossRatio: number;
  /** Probability, 0–1, below which what went unanswered within the lookback is no chance any more: the target is degraded. */
  readonly chanceMin: number;
  /** Ratio, 0–1, that the low end of the 95 % interval of the answers that say no must exceed to call a target degraded. */
  readonly refusedRatio: number;
  /** Such answers within the lookback below which a target is never called degraded. */
  readonly refusedMin: number;
}

/**
 * The defaults, with their arithmetic for one sample a second.
 *
 * - `lossRunLength` 3: at 0.1 % random loss one target sees 86 single losses a day, 0.09 pairs and 0.00009 triples. A single
 *   loss must not alarm and a pair would wake a fleet of a thousand ninety times a day; three still show within 3–5 s.
 * - `proofRunLength` 2: an answer that says no is no accident of the path; the second one excludes a restart's blink.
 * - `sharedQueryMs` 2.5 s: a question takes 950 ms to be given up and its failure is remembered for 1 s; a run that is longer has asked
 *   twice at least, and a pair of losses at 0.1 % is seen once in eleven days of asking once a second.
 * - `recoveryRunLength` 2: an answer proves the path, two in a row that it was no stray.
 * - `toleratedLossRatio` 0.2 %: an attempt whose one question and one answer each cross a path of 0.1 % random loss. `chanceMin` 1e-6:
 *   that takes 5 losses of 60, 6 of 120, 3 of 10; a node of twenty targets sees it by chance once in a month, where 3 of 60 came every
 *   few hours.
 * - `refusedRatio` 1 % and `refusedMin` 3: the interval's low end passes 1 % at 3 of 60 (1.7 %), not at 2 (0.9 %). The minimum keeps one
 *   odd answer of a short history quiet.
 * - `staleAfterMs` 30 s: three windows of 10 s. `lookbackMs` 60 s: six.
 */
export const DEFAULT_THRESHOLDS: Thresholds = {
  lookbackMs: 60_000,
  staleAfterMs: 30_000,
  proofRunLength: 2,
  lossRunLength: 3,
  sharedQueryMs: 2_500,
  recoveryRunLength: 2,
  toleratedLossRatio: 0.002,
  chanceMin: 1e-6,
  refusedRatio: 0.01,
  refusedMin: 3,
};

/** Missed samples after which a slowly probed target is stale: as many as a window of silence at 10 s each. */
const STALE_CADENCES = 3;

/** After how long without a sample a target of that cadence is unknown, ms: slow cadences (P1) need longer. */
export function staleAfterMsOf(thresholds: Thresholds, cadenceMs: number): number {
  return Math.max(thresholds.staleAfterMs, STALE_CADENCES * cadenceMs);
}

/** The lookback of a target of that cadence, ms: never less than twice what makes it stale. */
export function lookbackMsOf(thresholds: Thresholds, cadenceMs: number): number {
  return Math.max(thresholds.lookbackMs, 2 * staleAfterMsOf(thresholds, cadenceMs));
}
