/**
 * Incidents: a bad verdict over time.
 *
 * 1. A target of a node has one incident at a time, while its verdict is degraded or unmet.
 * 2. An incident starts at the onset of the fault and ends at the start of the good run, not when the judge notices
 *    either.
 * 3. An unknown verdict neither opens nor closes an incident (M4). Silence that was measured is recorded, because a
 *    fault that comes after it is another state. A row that no longer applies or is gone closes the incident now.
 */
import type { Cause } from "@lifeline/measure";
import type { Window } from "@lifeline/window";
import { type IncidentImpact, impactPhrase, NO_IMPACT, withWindows } from "./incident-impact.ts";
import { bounded } from "./phrase.ts";
import { type RowVerdict, rowKey, type Verdict } from "./row.ts";

/** Most changes that an incident records; further ones replace the last and are counted (S2). */
export const MAX_INCIDENT_CHANGES = 32;

/** A verdict and cause, and since when (ms since the epoch). */
export interface IncidentChange {
  readonly atMs: number;
  readonly verdict: Verdict;
  readonly cause: Cause;
}

/** One fault at one target of one node. */
export interface Incident {
  readonly requirementId: string;
  readonly targetId: string;
  /** The worst verdict so far, with the latest cause, evidence and next step of that verdict. */
  readonly verdict: "degraded" | "unmet";
  readonly cause: Cause;
  readonly evidence: string;
  readonly nextStep: string;
  /** Wall time of the onset, ms since the epoch. */
  readonly startedAtMs: number;
  /** Wall time of the end, ms since the epoch; undefined while it lasts. */
  readonly endedAtMs: number | undefined;
  /** The changes of verdict and cause, oldest first; at most {@link MAX_INCIDENT_CHANGES}. */
  readonly changes: readonly IncidentChange[];
  /** Changes that were not recorded. */
  readonly droppedChanges: number;
  /** What it cost so far. */
  readonly impact: IncidentImpact;
}

/** Open incidents of one node, by target id. */
export type IncidentState = ReadonlyMap<string, Incident>;

/** What one judgement changed. */
export interface IncidentStep {
  readonly state: IncidentState;
  readonly opened: readonly Incident[];
  /** Still open, with a new verdict or cause. */
  readonly changed: readonly Incident[];
  readonly closed: readonly Incident[];
}

/**
 * Applies the rows of one judgement of a node to its open incidents. `windows`: recent ones of a target, which count.
 */
export function advanceIncidents(
  state: IncidentState,
  rows: readonly RowVerdict[],
  nowMs: number,
  windows: (targetId: string) => readonly Window[],
): IncidentStep {
  const next = new Map<string, Incident>();
  const opened: Incident[] = [];
  const changed: Incident[] = [];
  const closed: Incident[] = [];
  const judged = new Map(rows.flatMap((row) => (row.target === undefined ? [] : [[rowKey(row), row] as const])));
  for (const [targetId, before] of state) {
    const row = judged.get(targetId);
    const incident = counted(before, windows(targetId));
    const endMs = endOf(row, incident, nowMs);
    if (endMs !== undefined) {
      closed.push(endedAt(incident, endMs));
      continue;
    }
    const continued = row === undefined ? incident : continuedBy(incident, row, nowMs);
    next.set(targetId, continued);
    // Counts alone are no change.
    if (continued !== incident) changed.push(continued);
  }
  for (const [targetId, row] of judged) {
    if (state.has(targetId) || !isBad(row.verdict)) continue;
    const incident = counted(incidentOf(targetId, row, row.verdict, nowMs), windows(targetId));
    next.set(targetId, incident);
    opened.push(incident);
  }
  return { state: next, opened, changed, closed };
}

function counted(incident: Incident, windows: readonly Window[]): Incident {
  const impact = withWindows(incident.impact, windows, incident.startedAtMs);
  return impact === incident.impact ? incident : { ...incident, impact };
}

/** Before the evidence of an open incident, whose counts are those of its start or of its latest change. */
const BEFORE = "When its cause was found: ";

/** The incident with its end, and with what it cost before the evidence of its cause. */
function endedAt(incident: Incident, endMs: number): Incident {
  const endedAtMs = Math.max(incident.startedAtMs, endMs);
  const cost = impactPhrase(incident.impact, endedAtMs - incident.startedAtMs);
  return {
    ...incident,
    endedAtMs,
    evidence: cost === "" ? incident.evidence : bounded(`${cost}${BEFORE}${incident.evidence}`),
  };
}

/**
 * When the row ends the incident, ms since the epoch; undefined while it lasts. A target may have answered all the
 * time, as where its connections work and the tunnel over them stalls. Its good run is then no end of the fault.
 */
function endOf(row: RowVerdict | undefined, { startedAtMs }: Incident, nowMs: number): number | undefined {
  if (row === undefined) return nowMs;
  switch (row.verdict) {
    case "met":
      return row.onsetMs > startedAtMs ? Math.min(row.onsetMs, nowMs) : nowMs;
    case "not-applicable":
      return nowMs;
    case "degraded":
    case "unmet":
    case "unknown":
      return undefined;
  }
}

function isBad(verdict: Verdict): verdict is Incident["verdict"] {
  return verdict === "degraded" || verdict === "unmet";
}

function incidentOf(targetId: string, row: RowVerdict, verdict: Incident["verdict"], nowMs: number): Incident {
  const startedAtMs = Math.min(row.onsetMs, nowMs);
  const { requirementId, cause, evidence, nextStep } = row;
  const changes = [{ atMs: startedAtMs, verdict, cause }];
  return {
    requirementId,
    targetId,
    verdict,
    cause,
    evidence,
    nextStep,
    startedAtMs,
    endedAtMs: undefined,
    changes,
    droppedChanges: 0,
    impact: NO_IMPACT,
  };
}

/** The incident with another verdict or cause; the same object when neither changed. */
function continuedBy(incident: Incident, row: RowVerdict, nowMs: number): Incident {
  const latest = incident.changes.at(-1);
  const { verdict } = row;
  if (latest?.verdict === verdict && latest.cause === row.cause) return incident;
  if (isBad(verdict)) return withRow(withChange(incident, row, nowMs), row, verdict);
  return row.cause === "no-evidence" ? withChange(incident, row, nowMs) : incident;
}

function withRow(incident: Incident, row: RowVerdict, verdict: Incident["verdict"]): Incident {
  if (incident.verdict === "unmet" && verdict === "degraded") return incident;
  const { cause, evidence, nextStep } = row;
  return { ...incident, verdict, cause, evidence, nextStep };
}

function withChange(incident: Incident, { causeSinceMs, verdict, cause }: RowVerdict, nowMs: number): Incident {
  const change = { atMs: Math.min(causeSinceMs, nowMs), verdict, cause };
  const full = incident.changes.length >= MAX_INCIDENT_CHANGES;
  return {
    ...incident,
    // When full, the last change is overwritten: the next comparison needs the latest one.
    changes: full ? [...incident.changes.slice(0, -1), change] : [...incident.changes, change],
    droppedChanges: incident.droppedChanges + (full ? 1 : 0),
  };
}
