/** The incidents in the database, open and closed. */
import type { SQLOutputValue } from "node:sqlite";
import type { IncidentQuery, IncidentRecord, StoredIncident } from "./record.ts";
import type { Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";

export class IncidentRows {
  readonly #statement: Statement;
  readonly #hours: StorageHours;

  constructor(statement: Statement, hours: StorageHours) {
    this.#statement = statement;
    this.#hours = hours;
  }

  save(node: number, incident: IncidentRecord): "saved" {
    const { requirementId, targetId, verdict, cause, evidence, nextStep } = incident;
    const { startedAtMs, endedAtMs = null, changesJson, droppedChanges, impact } = incident;
    const judged = [requirementId, targetId, verdict, cause, evidence, nextStep] as const;
    this.#statement(
      `INSERT INTO incidents (node, hour, requirement_id, target_id, verdict, cause, evidence, next_step, started_ms, ended_ms,
         changes_json, dropped_changes, impact_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (node, target_id, started_ms) DO UPDATE SET verdict = excluded.verdict, cause = excluded.cause,
         evidence = excluded.evidence, next_step = excluded.next_step, ended_ms = excluded.ended_ms,
         changes_json = excluded.changes_json, dropped_changes = excluded.dropped_changes, impact_json = excluded.impact_json,
         hour = excluded.hour`,
    ).run(
      node,
      this.#hours.current(),
      ...judged,
      startedAtMs,
      endedAtMs,
      changesJson,
      droppedChanges,
      JSON.stringify(impact),
    );
    return "saved";
  }

  list({ nodeId, openOnly, sinceMs, limit, after }: IncidentQuery): StoredIncident[] {
    const afterMs = after?.startedAtMs ?? Number.MAX_SAFE_INTEGER;
    const afterId = after?.id ?? Number.MAX_SAFE_INTEGER;
    return this.#statement(
      `SELECT i.*, n.node_id FROM incidents i JOIN nodes n ON n.id = i.node
       WHERE (?1 = '' OR n.node_id = ?1) AND (?2 = 0 OR i.ended_ms IS NULL) AND (i.ended_ms IS NULL OR i.ended_ms >= ?3)
         AND (i.started_ms, i.id) < (?4, ?5)
       ORDER BY i.started_ms DESC, i.id DESC LIMIT ?6`,
    )
      .all(nodeId, Number(openOnly), sinceMs, afterMs, afterId, limit)
      .map(incidentOf);
  }

  /** Those of a node that have not ended. */
  open(nodeId: string): StoredIncident[] {
    const sql = `SELECT i.*, n.node_id FROM nodes n JOIN incidents i ON i.node = n.id WHERE n.node_id = ? AND i.ended_ms IS NULL`;
    return this.#statement(sql).all(nodeId).map(incidentOf);
  }

  /**
   * Deletes at most `limit` that were written up to that hour and have ended, or whose node is silent since: nothing
   * says whether they did.
   */
  prune(hour: number, limit: number): number {
    const { changes } = this.#statement(
      `DELETE FROM incidents WHERE id IN (
         SELECT i.id FROM incidents AS i JOIN nodes AS n ON n.id = i.node
         WHERE i.hour <= ?1 AND (i.ended_ms IS NOT NULL OR n.hour <= ?1) ORDER BY i.hour LIMIT ?2)`,
    ).run(hour, limit);
    return Number(changes);
  }
}

function incidentOf(row: Readonly<Record<string, SQLOutputValue>>): StoredIncident {
  return {
    id: Number(row.id),
    nodeId: String(row.node_id),
    requirementId: String(row.requirement_id),
    targetId: String(row.target_id),
    verdict: String(row.verdict),
    cause: String(row.cause),
    evidence: String(row.evidence),
    nextStep: String(row.next_step),
    startedAtMs: Number(row.started_ms),
    endedAtMs: row.ended_ms === null ? undefined : Number(row.ended_ms),
    changesJson: String(row.changes_json),
    droppedChanges: Number(row.dropped_changes),
    impact: JSON.parse(String(row.impact_json)) as IncidentRecord["impact"],
  };
}
