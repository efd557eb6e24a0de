/** Rows, nodes, incidents and boots as messages. */
import type { Obligation } from "@lifeline/catalogue";
import type { DirectionCounts } from "@lifeline/measure";
import { type MinuteCount, type RowVerdict, type RttFigures, rttFiguresOf, type Verdict } from "@lifeline/verdict";
import { type LossCount, lossOf, type Window } from "@lifeline/window";
import { queryPb } from "@lifeline/wire";
import type { Node } from "../fleet/node.ts";
import type { BootRecord, StoredIncident } from "../store/record.ts";

const VERDICT_TO_WIRE: Readonly<Record<Verdict, queryPb.Verdict>> = {
  met: queryPb.Verdict.MET,
  degraded: queryPb.Verdict.DEGRADED,
  unmet: queryPb.Verdict.UNMET,
  unknown: queryPb.Verdict.UNKNOWN,
  "not-applicable": queryPb.Verdict.NOT_APPLICABLE,
};

const OBLIGATION_TO_WIRE: Readonly<Record<Obligation, queryPb.Obligation>> = {
  required: queryPb.Obligation.REQUIRED,
  optional: queryPb.Obligation.OPTIONAL,
  conditional: queryPb.Obligation.CONDITIONAL,
};

/** A node's verdict is its worst required row. Unknown is worse than degraded, because it may hide anything. */
const WORST_FIRST: readonly Verdict[] = ["unmet", "unknown", "degraded", "met"];

/** A judged row of a node. */
export function rowToWire(nodeId: string, row: RowVerdict) {
  const { target, loss, rtt } = row;
  return {
    nodeId,
    requirementId: row.requirementId,
    obligation: OBLIGATION_TO_WIRE[row.obligation],
    required: row.required,
    targetId: target?.id ?? "",
    endpoint: target?.endpoint ?? "",
    probe: target?.probe ?? "",
    ipVersion: target?.family ?? 0,
    verdict: VERDICT_TO_WIRE[row.verdict],
    cause: row.cause,
    evidence: row.evidence,
    nextStep: row.nextStep,
    followsFrom: row.followsFrom ?? "",
    sinceUnixMs: whole(row.sinceMs),
    lastSampleUnixMs: whole(row.lastSampleAtMs ?? 0),
    ...lossToWire(loss),
    lossRatioLow: loss.interval[0],
    lossRatioHigh: loss.interval[1],
    ...rttToWire(rtt),
    rttCount: BigInt(rtt.count),
    rttKernelCount: BigInt(rtt.kernelCount),
    udpEvidence: row.udpEvidence ?? "",
    proxy: target?.proxy ?? "",
    comparison: row.comparison,
    notes: [...row.notes],
    ...(row.directions === undefined ? {} : { directions: directionsToWire(row.directions) }),
  };
}

function directionsToWire(directions: DirectionCounts) {
  return {
    forwardSent: BigInt(directions.forwardSent),
    forwardLost: BigInt(directions.forwardLost),
    returnSent: BigInt(directions.returnSent),
    returnLost: BigInt(directions.returnLost),
    duplicates: BigInt(directions.duplicates),
    reordered: BigInt(directions.reordered),
  };
}

/** A node with its rows counted. */
export function nodeToWire(node: Node) {
  const { nodeId, hostname, agentVersion, rows, session, firstSeenMs, lastReportMs } = node;
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  return {
    nodeId,
    hostname,
    agentVersion,
    connected: session !== undefined,
    firstSeenUnixMs: whole(firstSeenMs),
    lastReportUnixMs: whole(lastReportMs ?? 0),
    metRows: count("met"),
    degradedRows: count("degraded"),
    unmetRows: count("unmet"),
    unknownRows: count("unknown"),
    notApplicableRows: count("not-applicable"),
    verdict: VERDICT_TO_WIRE[worstRequired(rows)],
  };
}

function worstRequired(rows: readonly RowVerdict[]): Verdict {
  const required = rows.filter((row) => row.required);
  return WORST_FIRST.find((verdict) => required.some((row) => row.verdict === verdict)) ?? "unknown";
}

/** An incident as stored. */
export function incidentToWire(incident: StoredIncident) {
  const { id, nodeId, requirementId, targetId, verdict, cause, startedAtMs, endedAtMs, evidence, nextStep } = incident;
  const { attempts, failures, worstMinute } = incident.impact;
  return {
    id: BigInt(id),
    nodeId,
    requirementId,
    targetId,
    verdict: verdict === "unmet" ? queryPb.Verdict.UNMET : queryPb.Verdict.DEGRADED,
    cause,
    startUnixMs: whole(startedAtMs),
    ...(endedAtMs === undefined ? {} : { endUnixMs: whole(endedAtMs) }),
    evidence,
    nextStep,
    attempts: BigInt(attempts),
    failures: BigInt(failures),
    ...(worstMinute === undefined ? {} : { worstMinute: minuteToWire(worstMinute) }),
  };
}

function minuteToWire({ startMs, attempts, failures }: MinuteCount) {
  return { startUnixMs: whole(startMs), attempts: BigInt(attempts), failures: BigInt(failures) };
}

/** A step of history, its figures as those of a row. */
export function pointToWire(startMs: number, window: Window) {
  return { startUnixMs: whole(startMs), ...lossToWire(lossOf(window)), ...rttToWire(rttFiguresOf(window)) };
}

function lossToWire({ ended, failed, sent, lost, late, silent, notSent, ratio }: LossCount) {
  return {
    ended: BigInt(ended),
    failed: BigInt(failed),
    sent: BigInt(sent),
    lost: BigInt(lost),
    late: BigInt(late),
    silent: BigInt(silent),
    notSent: BigInt(notSent),
    ...(ratio === undefined ? {} : { lossRatio: ratio }),
  };
}

function rttToWire({ p50Ns, p95Ns, maxNs }: RttFigures) {
  return {
    ...(p50Ns === undefined ? {} : { rttP50Ns: whole(p50Ns) }),
    ...(p95Ns === undefined ? {} : { rttP95Ns: whole(p95Ns) }),
    ...(maxNs === undefined ? {} : { rttMaxNs: whole(maxNs) }),
  };
}

/** What has arrived of a boot. */
export function bootToWire({ bootId, firstSequence, lastSequence, reports, windows, duplicates }: BootRecord) {
  return {
    bootId,
    firstSequence: BigInt(firstSequence),
    lastSequence: BigInt(lastSequence),
    reports: BigInt(reports),
    windows: BigInt(windows),
    missingReports: BigInt(lastSequence - firstSequence + 1 - reports),
    duplicateReports: BigInt(duplicates),
  };
}

function whole(value: number): bigint {
  return BigInt(Math.max(0, Math.round(value)));
}
