/**
 * The text of JSON, and the JSON of status and check: exactly one object, names as documented, times in ISO 8601,
 * durations in ms.
 */
import { type DirectionCounts, visibleText } from "@lifeline/measure";
import { isoTime } from "../collector/wire-time.ts";
import type { StatusModel, StatusRow } from "./status-row.ts";
import { toMs } from "./units.ts";

/** A value as JSON, with every string in it as visible text; `indent` in spaces, 0: one line. */
export function jsonText(value: object, indent: number): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "string" ? visibleText(part) : part), indent);
}

/** One row of the JSON. The names are a contract with scripts. */
export interface StatusRowJson {
  readonly node: string;
  readonly requirement: string;
  readonly required: boolean;
  readonly target: string | null;
  readonly probe: string | null;
  readonly ipVersion: 4 | 6 | null;
  /** `host:port` of the proxy it is measured through; null: direct. */
  readonly proxy: string | null;
  /** Measured beside what the node itself uses; never counted. */
  readonly comparison: boolean;
  readonly verdict: string;
  readonly cause: string | null;
  /** confirmed, refused, suspected-blocked, no-evidence or not-applicable; null: no row of the SideroLink UDP port. */
  readonly udpEvidence: string | null;
  readonly ended: number;
  readonly failed: number;
  readonly sent: number;
  readonly lost: number;
  readonly late: number;
  readonly silent: number;
  readonly notSent: number;
  readonly lossRatio: number | null;
  readonly lossInterval: readonly [low: number, high: number];
  /** Packets by direction, where they are numbered (STAMP). */
  readonly directions: DirectionCounts | null;
  readonly rttMs: { readonly p50: number | null; readonly p95: number | null; readonly max: number | null };
  readonly since: string | null;
  readonly evidence: string;
  readonly nextStep: string | null;
  /** Which hosts stand for a wildcard, and what of the requirement is not measured. */
  readonly notes: readonly string[];
}

/** The whole object. */
export interface StatusJson {
  readonly generatedAt: string;
  readonly catalogueVersion: string;
  readonly rows: readonly StatusRowJson[];
  /** What the rows as a whole leave open, such as what a check cannot prove from here. */
  readonly remarks: readonly string[];
}

/** The object of a model; {@link jsonText} of it is what `--json` prints. */
export function statusJson(model: StatusModel): StatusJson {
  return {
    generatedAt: isoTime(model.generatedAtMs),
    catalogueVersion: model.catalogueVersion,
    rows: model.rows.map(rowJson),
    remarks: model.remarks ?? [],
  };
}

/** One row of {@link statusJson}. */
export function rowJson(row: StatusRow): StatusRowJson {
  return {
    node: row.node,
    requirement: row.requirement,
    required: row.required,
    target: row.target,
    probe: row.probe,
    ipVersion: row.ipVersion,
    proxy: row.proxy,
    comparison: row.comparison,
    verdict: row.verdict,
    cause: row.cause,
    udpEvidence: row.udpEvidence,
    ended: row.ended,
    failed: row.failed,
    sent: row.sent,
    lost: row.lost,
    late: row.late,
    silent: row.silent,
    notSent: row.notSent,
    lossRatio: row.lossRatio,
    lossInterval: row.lossInterval,
    directions: row.directions,
    rttMs: { p50: toMs(row.rttNs.p50), p95: toMs(row.rttNs.p95), max: toMs(row.rttNs.max) },
    since: isoTime(row.sinceMs),
    evidence: row.evidence,
    nextStep: row.nextStep,
    notes: row.notes,
  };
}
