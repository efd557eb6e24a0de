/** What arrived of each boot of an agent, counted in the database. */
import type { BootRecord, ReportRecord } from "./record.ts";
import { bytesOf, type Statement } from "./statement.ts";

export class BootRows {
  readonly #statement: Statement;

  constructor(statement: Statement) {
    this.#statement = statement;
  }

  /** A report was stored. */
  count(node: number, { bootId, receivedAtMs, sequence, windowCount }: ReportRecord): void {
    this.#statement(
      `INSERT INTO boots VALUES (?1, ?2, ?3, ?4, ?4, 1, ?5, 0)
       ON CONFLICT DO UPDATE SET first_sequence = min(first_sequence, ?4), last_sequence = max(last_sequence, ?4),
         reports = reports + 1, windows = windows + ?5`,
    ).run(node, bootId, receivedAtMs, sequence, windowCount);
  }

  /** A report arrived that had been stored before. */
  countDuplicate(node: number, bootId: Uint8Array): void {
    this.#statement("UPDATE boots SET duplicates = duplicates + 1 WHERE node = ? AND boot_id = ?").run(node, bootId);
  }

  /** Deletes the boot when no report of it is left. If it reports again, its counts start at zero. */
  pruneWithoutReports(node: number, bootId: Uint8Array): void {
    this.#statement(
      `DELETE FROM boots WHERE (node, boot_id) = (?1, ?2)
         AND NOT EXISTS (SELECT 1 FROM reports WHERE (node, boot_id) = (?1, ?2))`,
    ).run(node, bootId);
  }

  /** The latest first. */
  list(nodeId: string, limit: number): BootRecord[] {
    return this.#statement(
      `SELECT b.* FROM boots b JOIN nodes n ON n.id = b.node WHERE n.node_id = ?
       ORDER BY b.first_received_ms DESC, b.boot_id LIMIT ?`,
    )
      .all(nodeId, limit)
      .map((row) => ({
        bootId: bytesOf(row.boot_id),
        firstSequence: Number(row.first_sequence),
        lastSequence: Number(row.last_sequence),
        reports: Number(row.reports),
        windows: Number(row.windows),
        duplicates: Number(row.duplicates),
      }));
  }
}
