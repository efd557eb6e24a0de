/**
 * The reports that wait for their roll-up, counted by node: the count says which node is due, and is shown. Kept in
 * memory beside the table, and counted again after a transaction that was undone.
 */
import type { Statement } from "./statement.ts";

/**
 * How much later than what is due a report may have arrived, ms: a day. A later one came by a clock that was ahead: its
 * time would not come for long, so it is due at once.
 */
const AHEAD_MS = 24 * 3_600_000;

/** A report that waits. */
export interface PendingReport {
  readonly report: number;
  readonly receivedAtMs: number;
}

export class PendingRollups {
  readonly #statement: Statement;
  #counts: Map<number, number> | undefined;
  #total = 0;

  constructor(statement: Statement) {
    this.#statement = statement;
  }

  /** A report was stored. */
  add(node: number, { report, receivedAtMs }: PendingReport): void {
    this.#change(node, 1);
    const insert = this.#statement("INSERT INTO pending_rollups (node, received_ms, report) VALUES (?, ?, ?)");
    insert.run(node, receivedAtMs, report);
  }

  /** Reports of a node were rolled up. */
  remove(node: number, reports: readonly PendingReport[]): void {
    this.#change(node, -reports.length);
    const remove = this.#statement("DELETE FROM pending_rollups WHERE node = ? AND received_ms = ? AND report = ?");
    for (const { report, receivedAtMs } of reports) remove.run(node, receivedAtMs, report);
  }

  /** How many reports wait, of all nodes. */
  total(): number {
    this.#known();
    return this.#total;
  }

  of(node: number): number {
    return this.#known().get(node) ?? 0;
  }

  /**
   * The node whose oldest report arrived before `beforeMs`, or by a clock that was ahead; else one that has at least
   * `crowd` waiting.
   */
  due(beforeMs: number, crowd: number): number | undefined {
    const oldest = "SELECT node FROM pending_rollups WHERE received_ms < ? ORDER BY received_ms LIMIT 1";
    const latest = "SELECT node FROM pending_rollups WHERE received_ms > ? ORDER BY received_ms DESC LIMIT 1";
    const found = this.#statement(oldest).get(beforeMs) ?? this.#statement(latest).get(beforeMs + AHEAD_MS);
    if (found !== undefined) return Number(found.node);
    for (const [node, reports] of this.#known()) if (reports >= crowd) return node;
    return undefined;
  }

  /** To be called after a transaction that was undone: the table is counted again. */
  reset(): void {
    this.#counts = undefined;
  }

  #known(): Map<number, number> {
    if (this.#counts !== undefined) return this.#counts;
    const rows = this.#statement("SELECT node, count(*) AS reports FROM pending_rollups GROUP BY node").all();
    this.#counts = new Map(rows.map(({ node, reports }) => [Number(node), Number(reports)]));
    this.#total = rows.reduce((total, { reports }) => total + Number(reports), 0);
    return this.#counts;
  }

  #change(node: number, by: number): void {
    const counts = this.#known();
    const now = (counts.get(node) ?? 0) + by;
    this.#total += by;
    // To the end, so that nodes with many reports take turns.
    counts.delete(node);
    if (now > 0) counts.set(node, now);
  }
}
