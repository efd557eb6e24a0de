/**
 * The numbers by which the judge decides. All are inputs, so that an audit can be replayed with those of its day (J1).
 */

/** When a verdict changes. */
export interface Thresholds {
  /** The lookback: how far back windows are judged, ms. Those that ended within it are merged. */
  readonly lookbackMs: number;
  /** How long a window is fresh after its end, ms. Without a fresh window the verdict is unknown (M4). */
  readonly staleAfterMs: number;
  /**
   * Bad samples in a row that prove a fault when something rejected: a reset, an ICMP error, a certificate, a status.
   */
  readonly proofRunLength: number;
  /** Bad samples in a row that prove a fault when nothing came back. */
  readonly lossRunLength: number;
  /**
   * How long unanswered DNS queries must go on to prove a fault, ms. Attempts of a target share a query in flight, and
   * its answer for a second more. So three failed attempts may be one lost packet.
   */
  readonly sharedQueryMs: number;
  /** Good samples in a row that end an outage, at least. */
  readonly recoveryRunLength: number;
  /**
   * Probability, 0–1. Loss is over when a path that still loses as many would let the clean attempts since pass with
   * less than this (cleanRunChance).
   */
  readonly clearedChance: number;
  /** Ratio, 0–1, of attempts that go unanswered on a path that is still called good. */
  readonly toleratedLossRatio: number;
  /**
   * Probability, 0–1. When chance explains the unanswered attempts of the lookback with less than this, the target is
   * degraded.
   */
  readonly chanceMin: number;
  /** Ratio, 0–1. A target is degraded when the low end of the 95 % interval of its rejections exceeds this. */
  readonly rejectedRatio: number;
  /** Fewer rejections than this within the lookback never degrade a target. */
  readonly rejectedMin: number;
}

/**
 * The defaults, with their arithmetic for one sample a second.
 *
 * - `lossRunLength` 3: at 0.1 % random loss one target has 86 single losses a day, 0.09 pairs and 0.00009 triples.
 *   Pairs would alarm a fleet of a thousand ninety times a day. Three in a row still show within 3–5 s.
 * - `proofRunLength` 2: a rejection is no accident of the path. The second one excludes the moment of a restart.
 * - `sharedQueryMs` 2.5 s: a query is given up after 1.3 s, and its failure is cached for 1 s. A longer run holds two
 *   queries at least. At 0.1 % loss and one query a second, two in a row are lost once in eleven days.
 * - `recoveryRunLength` 2: one answer proves the path; the second shows that the first was no stray.
 * - `clearedChance` 0.1 %: after 30 of 60 lost it takes 12 clean attempts, after 18 of 60 it takes 23. After an outage
 *   of three losses it takes 9, after five 5, and after ten 2: 50 % loss takes ten in a row once in a thousand times.
 * - `toleratedLossRatio` 0.2 %: the packet and its answer each cross a path with 0.1 % random loss. `chanceMin` 1e-6:
 *   that takes 5 losses of 60, 6 of 120, or 3 of 10. A node with twenty targets sees it by chance once a month; 3 of 60
 *   would come every few hours.
 * - `rejectedRatio` 1 % and `rejectedMin` 3: the low end of the interval exceeds 1 % at 3 of 60 (1.7 %), not at 2 (0.9
 *   %). The minimum ignores a single rejection in a short history.
 * - `staleAfterMs` 30 s: three windows of 10 s. `lookbackMs` 60 s: six windows.
 */
export const DEFAULT_THRESHOLDS: Thresholds = {
  lookbackMs: 60_000,
  staleAfterMs: 30_000,
  proofRunLength: 2,
  lossRunLength: 3,
  sharedQueryMs: 2_500,
  recoveryRunLength: 2,
  clearedChance: 1e-3,
  toleratedLossRatio: 0.002,
  chanceMin: 1e-6,
  rejectedRatio: 0.01,
  rejectedMin: 3,
};

/** Missed samples after which a slowly probed target is stale: as many as windows of 10 s in `staleAfterMs`. */
const STALE_CADENCES = 3;

/** How long the windows of a target with that cadence are fresh, ms: longer for slow cadences (P1). */
export function staleAfterMsOf(thresholds: Thresholds, cadenceMs: number): number {
  return Math.max(thresholds.staleAfterMs, STALE_CADENCES * cadenceMs);
}

/** Share of the attempts of a lookback that the recovery from an outage may take. */
const RECOVERY_SHARE = 1 / 6;

/**
 * Most good samples in a row that the end of an outage takes, for a target with that cadence: 10 at one a second. A
 * slow target recovers after `recoveryRunLength`: more of them would take minutes.
 */
export function recoveryMaxOf(thresholds: Thresholds, cadenceMs: number): number {
  const attempts = lookbackMsOf(thresholds, cadenceMs) / cadenceMs;
  return Math.max(thresholds.recoveryRunLength, Math.floor(attempts * RECOVERY_SHARE));
}

/** The lookback of a target with that cadence, ms: at least twice the time for which a window is fresh. */
export function lookbackMsOf(thresholds: Thresholds, cadenceMs: number): number {
  return Math.max(thresholds.lookbackMs, 2 * staleAfterMsOf(thresholds, cadenceMs));
}
