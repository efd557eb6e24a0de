/**
 * What `status` and `check` show: one row for each requirement and target of a node.
 *
 * 1. A value of the collector that this version does not know is shown as unknown, never as met (M4).
 * 2. Without a packet that expects an answer there is no loss ratio, and its interval is 0–1 (M4).
 */
import type { DirectionCounts } from "@lifeline/measure";
import type { RowVerdict, Verdict } from "@lifeline/verdict";
import { queryPb } from "@lifeline/wire";
import { atMs, type WireTime } from "../collector/wire-time.ts";

/** Whether the requirement binds as published. */
export type Obligation = "required" | "optional" | "conditional" | "unknown";

/** Quantiles of the round-trip time in ns; null where no attempt had one. */
export interface RttQuantiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** The judgement on one requirement and target of one node. */
export interface StatusRow {
  readonly node: string;
  readonly requirement: string;
  readonly obligation: Obligation;
  /** Whether the row counts for the exit code. */
  readonly required: boolean;
  /** `host:port`, IPv6 in brackets; null where there is nothing to measure. */
  readonly target: string | null;
  readonly probe: string | null;
  readonly ipVersion: 4 | 6 | null;
  /** `host:port` of the proxy it is measured through; null: direct. */
  readonly proxy: string | null;
  /** Measured beside what the node itself uses; never counted. */
  readonly comparison: boolean;
  /** What is known of the SideroLink UDP port, in a word of the judge's; null for other rows. */
  readonly udpEvidence: string | null;
  readonly verdict: Verdict;
  /** A word of the closed list of causes; null when met. */
  readonly cause: string | null;
  readonly evidence: string;
  readonly nextStep: string | null;
  /** Which hosts stand for a wildcard, and what of the requirement is not measured; the same for all its rows. */
  readonly notes: readonly string[];
  /** Identity of the row's target; null where there is nothing to measure. */
  readonly targetId: string | null;
  /** Target id of the row whose fault this one follows from; null when the fault is its own. */
  readonly followsFrom: string | null;
  /** Wall time, ms since the epoch, since when the verdict holds; null when not known. */
  readonly sinceMs: number | null;
  /**
   * Attempts that ended, and those of them that did not do what they should. Without attempts that were not measured,
   * and those sent to a peer that need not answer.
   */
  readonly ended: number;
  readonly failed: number;
  readonly sent: number;
  readonly lost: number;
  readonly late: number;
  readonly silent: number;
  readonly notSent: number;
  /** lost / (sent − silent), 0–1; null when nothing was sent that should have been answered. */
  readonly lossRatio: number | null;
  /** Packets by direction, where they are numbered (STAMP); null elsewhere. */
  readonly directions: DirectionCounts | null;
  /** 95 % Wilson interval of the ratio, low first. */
  readonly lossInterval: readonly [low: number, high: number];
  readonly rttNs: RttQuantiles;
  /** How many round-trip times there are, and how many of them the kernel read. */
  readonly rttCount: number;
  readonly rttKernelCount: number;
}

/** All rows at one moment. */
export interface StatusModel {
  /** Wall time of the judgement, ms since the epoch. */
  readonly generatedAtMs: number;
  /** Empty when there is no row to take it from. */
  readonly catalogueVersion: string;
  readonly rows: readonly StatusRow[];
  /** What the rows as a whole leave open, a sentence each. Absent: nothing. */
  readonly remarks?: readonly string[];
}

const VERDICT_WORDS: ReadonlyMap<number, Verdict> = new Map([
  [queryPb.Verdict.MET, "met"],
  [queryPb.Verdict.DEGRADED, "degraded"],
  [queryPb.Verdict.UNMET, "unmet"],
  [queryPb.Verdict.UNKNOWN, "unknown"],
  [queryPb.Verdict.NOT_APPLICABLE, "not-applicable"],
]);

const OBLIGATION_WORDS: ReadonlyMap<number, Obligation> = new Map([
  [queryPb.Obligation.REQUIRED, "required"],
  [queryPb.Obligation.OPTIONAL, "optional"],
  [queryPb.Obligation.CONDITIONAL, "conditional"],
]);

/** The word of a verdict's number; `unknown` for a number this version does not know. */
export function verdictWord(verdict: queryPb.Verdict): Verdict {
  return VERDICT_WORDS.get(verdict) ?? "unknown";
}

/** The row of a collector's message. */
export function rowFromWire(row: queryPb.VerdictRow): StatusRow {
  const verdict = verdictWord(row.verdict);
  return {
    node: row.nodeId,
    requirement: row.requirementId,
    obligation: OBLIGATION_WORDS.get(row.obligation) ?? "unknown",
    required: row.required,
    target: row.endpoint || null,
    probe: row.probe || null,
    ipVersion: row.ipVersion === 4 || row.ipVersion === 6 ? row.ipVersion : null,
    proxy: row.proxy || null,
    comparison: row.comparison,
    udpEvidence: row.udpEvidence || null,
    directions: directionsOf(row.directions),
    verdict,
    cause: shownCause(verdict, row.cause),
    evidence: row.evidence,
    nextStep: row.nextStep || null,
    notes: row.notes,
    targetId: row.targetId || null,
    followsFrom: row.followsFrom || null,
    sinceMs: atMs(row.sinceUnixMs),
    ended: Number(row.ended),
    failed: Number(row.failed),
    sent: Number(row.sent),
    lost: Number(row.lost),
    late: Number(row.late),
    silent: Number(row.silent),
    notSent: Number(row.notSent),
    lossRatio: row.lossRatio ?? null,
    lossInterval: row.lossRatio === undefined ? [0, 1] : [row.lossRatioLow, row.lossRatioHigh],
    rttNs: { p50: durationOf(row.rttP50Ns), p95: durationOf(row.rttP95Ns), max: durationOf(row.rttMaxNs) },
    rttCount: Number(row.rttCount),
    rttKernelCount: Number(row.rttKernelCount),
  };
}

/** The row of a judgement made in this process. */
export function rowFromVerdict(node: string, row: RowVerdict): StatusRow {
  const { target, verdict, loss, rtt } = row;
  return {
    node,
    requirement: row.requirementId,
    obligation: row.obligation,
    required: row.required,
    target: target?.endpoint ?? null,
    probe: target?.probe ?? null,
    ipVersion: target?.family ?? null,
    proxy: target?.proxy ?? null,
    comparison: row.comparison,
    udpEvidence: row.udpEvidence ?? null,
    directions: row.directions ?? null,
    verdict,
    cause: shownCause(verdict, row.cause),
    evidence: row.evidence,
    nextStep: row.nextStep || null,
    notes: row.notes,
    targetId: target?.id ?? null,
    followsFrom: row.followsFrom ?? null,
    sinceMs: row.sinceMs,
    ended: loss.ended,
    failed: loss.failed,
    sent: loss.sent,
    lost: loss.lost,
    late: loss.late,
    silent: loss.silent,
    notSent: loss.notSent,
    lossRatio: loss.ratio ?? null,
    lossInterval: loss.interval,
    rttNs: { p50: rtt.p50Ns ?? null, p95: rtt.p95Ns ?? null, max: rtt.maxNs ?? null },
    rttCount: rtt.count,
    rttKernelCount: rtt.kernelCount,
  };
}

function directionsOf(wire: queryPb.Directions | undefined): DirectionCounts | null {
  if (wire === undefined) return null;
  return {
    forwardSent: Number(wire.forwardSent),
    forwardLost: Number(wire.forwardLost),
    returnSent: Number(wire.returnSent),
    returnLost: Number(wire.returnLost),
    duplicates: Number(wire.duplicates),
    reordered: Number(wire.reordered),
  };
}

/** The cause as shown: null when met, and when the judge has none to name. */
export function shownCause(verdict: Verdict, cause: string): string | null {
  return verdict === "met" || cause === "" || cause === "none" ? null : cause;
}

function durationOf(ns: WireTime): number | null {
  return ns === undefined ? null : Number(ns);
}
