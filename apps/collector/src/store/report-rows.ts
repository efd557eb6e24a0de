/**
 * The reports in the database, each as it arrived, with an index of where its windows lie.
 *
 * A report is counted once under (node, boot, sequence). One that arrives again, even with other bytes, changes nothing
 * but the count of duplicates.
 */
import { BootRows } from "./boot-rows.ts";
import type { NodeRows } from "./node-rows.ts";
import type { PendingRollups } from "./pending-rollups.ts";
import type { NoNode, ReportRecord } from "./record.ts";
import { bytesOf, type Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";
import type { StoreOperations } from "./store-operations.ts";

/** Reports looked through for each that is to be deleted. */
const LOOKED_THROUGH = 10;

/** The tables that a report touches beside its own. */
interface ReportTables {
  readonly nodes: NodeRows;
  readonly hours: StorageHours;
  readonly pending: PendingRollups;
}

export class ReportRows {
  readonly #statement: Statement;
  readonly #tables: ReportTables;
  readonly #boots: BootRows;

  constructor(statement: Statement, tables: ReportTables) {
    this.#statement = statement;
    this.#tables = tables;
    this.#boots = new BootRows(statement);
  }

  save(report: ReportRecord): "stored" | "duplicate" | "conflicting" | NoNode {
    const { nodes, pending } = this.#tables;
    const node = nodes.numberOf(report.nodeId);
    if (node === undefined) return "no-node";
    nodes.noteReport(node, report);
    const id = this.#insert(node, report);
    if (id === undefined) {
      this.#boots.countDuplicate(node, report.bootId);
      return this.#isSame(node, report) ? "duplicate" : "conflicting";
    }
    this.#indexWindows(node, id, report);
    pending.add(node, { report: id, receivedAtMs: report.receivedAtMs });
    this.#boots.count(node, report);
    return "stored";
  }

  /** Numbers of the reports that hold the latest windows of each target; see {@link StoreOperations}. */
  recent({ nodeId, targets, endedByMs, limit }: StoreOperations["recentReports"]["input"]): readonly number[] {
    const found = new Set<number>();
    // Targets of one lookback share a scan: a node has few cadences, and the index is by node and time.
    for (const [endedAfterMs, group] of Map.groupBy(targets, (target) => target.endedAfterMs)) {
      const rows = this.#statement(
        `SELECT DISTINCT report FROM (
           SELECT w.report, row_number() OVER (PARTITION BY w.target ORDER BY w.end_ms DESC) AS place
           FROM windows w JOIN nodes n ON n.id = w.node WHERE n.node_id = ? AND w.end_ms > ? AND w.end_ms <= ?
             AND w.target IN (SELECT id FROM targets WHERE target_id IN (SELECT value FROM json_each(?)))
         ) WHERE place <= ?`,
      ).all(nodeId, endedAfterMs, endedByMs, JSON.stringify(group.map(({ targetId }) => targetId)), limit);
      for (const { report } of rows) found.add(Number(report));
    }
    return [...found].sort((a, b) => a - b);
  }

  read(reports: readonly number[]): StoreOperations["readReports"]["output"] {
    const sql = "SELECT id, received_ms, payload FROM reports WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id";
    return this.#statement(sql)
      .all(JSON.stringify(reports))
      .map((row) => ({ report: Number(row.id), receivedAtMs: Number(row.received_ms), payload: bytesOf(row.payload) }));
  }

  /**
   * Deletes at most `limit` reports stored up to that hour, with their windows, and the boots of which none is left.
   */
  prune(hour: number, limit: number): number {
    // What waits for its roll-up stays, however old: it is rolled up next, and few may stand in the way of others.
    const oldest = this.#statement(
      `SELECT id FROM (SELECT id, hour, node, received_ms FROM reports ORDER BY id LIMIT ?2 * ${LOOKED_THROUGH}) AS r
       WHERE hour <= ?1 AND NOT EXISTS (
         SELECT 1 FROM pending_rollups AS p WHERE (p.node, p.received_ms, p.report) = (r.node, r.received_ms, r.id))
       ORDER BY id LIMIT ?2`,
    ).all(hour, limit);
    const ids = JSON.stringify(oldest.map(({ id }) => Number(id)));
    const windows = this.#statement("DELETE FROM windows WHERE report IN (SELECT value FROM json_each(?))").run(ids);
    const gone = this.#statement(
      "DELETE FROM reports WHERE id IN (SELECT value FROM json_each(?)) RETURNING node, boot_id, hex(boot_id) AS boot",
    ).all(ids);
    const boots = new Map(gone.map((row) => [`${row.node} ${row.boot}`, row]));
    for (const { node, boot_id } of boots.values()) this.#boots.pruneWithoutReports(Number(node), bytesOf(boot_id));
    return Number(windows.changes) + gone.length;
  }

  /** The number of the report; undefined: one was stored under its key before. */
  #insert(node: number, { bootId, sequence, receivedAtMs, sealedAtMs, payload }: ReportRecord): number | undefined {
    const { changes, lastInsertRowid } = this.#statement(
      `INSERT INTO reports (hour, node, boot_id, sequence, received_ms, sealed_ms, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (node, boot_id, sequence) DO NOTHING`,
    ).run(this.#tables.hours.current(), node, bootId, sequence, receivedAtMs, sealedAtMs, payload);
    return changes === 0 ? undefined : Number(lastInsertRowid);
  }

  #isSame(node: number, { payload, bootId, sequence }: ReportRecord): boolean {
    const sql = "SELECT payload = ? AS same FROM reports WHERE node = ? AND boot_id = ? AND sequence = ?";
    return this.#statement(sql).get(payload, node, bootId, sequence)?.same === 1;
  }

  #indexWindows(node: number, report: number, { windows }: ReportRecord): void {
    const addTarget = this.#statement("INSERT INTO targets (target_id) VALUES (?) ON CONFLICT DO NOTHING");
    const addWindow = this.#statement(
      `INSERT INTO windows (node, end_ms, target, report, position, start_ms)
       SELECT ?, ?, id, ?, ?, ? FROM targets WHERE target_id = ?`,
    );
    for (const { targetId, position, startMs, endMs } of windows) {
      addTarget.run(targetId);
      addWindow.run(node, endMs, report, position, startMs, targetId);
    }
  }
}
