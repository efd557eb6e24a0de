/** The nodes in the database. A node has a number, by which other tables name it. */
import { type NodeRecord, REPORT_WAITS_MAX_MS, type ReportRecord, type StoredNode } from "./record.ts";
import type { Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";

export class NodeRows {
  readonly #statement: Statement;
  readonly #hours: StorageHours;

  constructor(statement: Statement, hours: StorageHours) {
    this.#statement = statement;
    this.#hours = hours;
  }

  /** The number of a node; undefined: it was never saved, or was pruned. */
  numberOf(nodeId: string): number | undefined {
    const row = this.#statement("SELECT id FROM nodes WHERE node_id = ?").get(nodeId);
    return row === undefined ? undefined : Number(row.id);
  }

  save(node: NodeRecord): "new" | "known" {
    const known = this.numberOf(node.nodeId);
    const { nodeId, hostname, agentVersion, factsJson, seenAtMs, clockOffsetMs = null, seenFromJson = null } = node;
    this.#statement(
      `INSERT INTO nodes (node_id, hour, hostname, agent_version, facts_json, first_seen_ms, seen_ms, clock_offset_ms, seen_from_json)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)
       ON CONFLICT (node_id) DO UPDATE SET hostname = excluded.hostname, agent_version = excluded.agent_version,
         facts_json = excluded.facts_json, seen_ms = excluded.seen_ms, seen_from_json = excluded.seen_from_json,
         hour = excluded.hour, clock_offset_ms = coalesce(excluded.clock_offset_ms, clock_offset_ms)`,
    ).run(nodeId, this.#hours.current(), hostname, agentVersion, factsJson, seenAtMs, clockOffsetMs, seenFromJson);
    return known === undefined ? "new" : "known";
  }

  /** A report of the node arrived, for the first time or again. */
  noteReport(
    node: number,
    { receivedAtMs, clockOffsetMs }: Pick<ReportRecord, "receivedAtMs" | "clockOffsetMs">,
  ): void {
    this.#statement(
      `UPDATE nodes SET
         last_report_ms = CASE WHEN last_report_ms BETWEEN ?1 AND ?1 + ${REPORT_WAITS_MAX_MS} THEN last_report_ms ELSE ?1 END,
         clock_offset_ms = coalesce(?2, clock_offset_ms), hour = ?3 WHERE id = ?4`,
    ).run(receivedAtMs, clockOffsetMs ?? null, this.#hours.current(), node);
  }

  list(limit: number): StoredNode[] {
    return this.#statement("SELECT * FROM nodes ORDER BY coalesce(last_report_ms, seen_ms) DESC LIMIT ?")
      .all(limit)
      .map((row) => ({
        nodeId: String(row.node_id),
        hostname: String(row.hostname),
        agentVersion: String(row.agent_version),
        factsJson: String(row.facts_json),
        seenAtMs: Number(row.seen_ms),
        firstSeenMs: Number(row.first_seen_ms),
        lastReportMs: row.last_report_ms === null ? undefined : Number(row.last_report_ms),
        clockOffsetMs: row.clock_offset_ms === null ? undefined : Number(row.clock_offset_ms),
        seenFromJson: row.seen_from_json === null ? undefined : String(row.seen_from_json),
      }));
  }

  /** The nodes whose last report is older than that time, and the unknown ones. */
  silent(nodeIds: readonly string[], beforeMs: number): string[] {
    const reportedSince = this.#statement("SELECT 1 FROM nodes WHERE node_id = ? AND hour > ?");
    const hour = this.#hours.lastBefore(beforeMs);
    return nodeIds.filter((nodeId) => reportedSince.get(nodeId, hour) === undefined);
  }

  /**
   * Deletes at most `limit` nodes whose last report is older than that time and that have no report, roll-up or
   * incident left.
   */
  prune(beforeMs: number, limit: number): void {
    const pruned = this.#statement(
      `SELECT id FROM nodes WHERE hour <= ?1
         AND NOT EXISTS (SELECT 1 FROM reports WHERE node = nodes.id)
         AND NOT EXISTS (SELECT 1 FROM incidents WHERE node = nodes.id)
         AND NOT EXISTS (SELECT 1 FROM rollups WHERE node = nodes.id)
       LIMIT ?2`,
    ).all(this.#hours.lastBefore(beforeMs), limit);
    for (const { id } of pruned) {
      const node = Number(id);
      this.#statement("DELETE FROM boots WHERE node = ?").run(node);
      this.#statement("DELETE FROM verdicts WHERE node = ?").run(node);
      this.#statement("DELETE FROM nodes WHERE id = ?").run(node);
    }
  }
}
