/**
 * The reports that wait to be rolled up, counted by node: the count says who is due, and is shown. Kept in memory beside the table,
 * and counted again after a transaction that was undone.
 */
import type { Statement } from "./statement.ts";

/** How much later than what is due something arrived whose time will not come: a day, ms. It is due at once. */
const AHEAD_MS = 24 * 3_600_000;

export interface Unrolled {
  /** A report was stored. */
  add(node: number, receivedAtMs: number, report: number): void;
  /** Reports of a node were rolled up. */
  remove(node: number, reports: readonly { readonly report: number; readonly receivedAtMs: number }[]): void;
  /** All that wait. */
  total(): number;
  of(node: number): number;
  /** The node whose oldest report arrived before `beforeMs`, or by a clock that was ahead; else one that has at least `crowd` waiting. */
  due(beforeMs: number, crowd: number): number | undefined;
  /** Forgets the counts: the table is not what it was. */
  recount(): void;
}

export function createUnrolled(statement: Statement): Unrolled {
  let known: Map<number, number> | undefined;
  let sum = 0;
  const counts = (): Map<number, number> => {
    if (known !== undefined) return known;
    const rows = statement("SELECT node, count(*) AS reports FROM unrolled GROUP BY node").all();
    known = new Map(rows.map(({ node, reports }) => [Number(node), Number(reports)]));
    sum = rows.reduce((total, { reports }) => total + Number(reports), 0);
    return known;
  };
  const change = (node: number, by: number) => {
    const now = (counts().get(node) ?? 0) + by;
    sum += by;
    // To the end: nodes that crowd take turns.
    counts().delete(node);
    if (now > 0) counts().set(node, now);
  };
  return {
    add(node, receivedAtMs, report) {
      change(node, 1);
      statement("INSERT INTO unrolled (node, received_ms, report) VALUES (?, ?, ?)").run(node, receivedAtMs, report);
    },
    remove(node, reports) {
      change(node, -reports.length);
      const gone = statement("DELETE FROM unrolled WHERE node = ? AND received_ms = ? AND report = ?");
      for (const { report, receivedAtMs } of reports) gone.run(node, receivedAtMs, report);
    },
    total() {
      counts();
      return sum;
    },
    of: (node) => counts().get(node) ?? 0,
    due(beforeMs, crowd) {
      const oldest = statement("SELECT node FROM unrolled WHERE received_ms < ? ORDER BY received_ms LIMIT 1");
      const latest = statement("SELECT node FROM unrolled WHERE received_ms > ? ORDER BY received_ms DESC LIMIT 1");
      const found = oldest.get(beforeMs) ?? latest.get(beforeMs + AHEAD_MS);
      if (found !== undefined) return Number(found.node);
      for (const [node, reports] of counts()) if (reports >= crowd) return node;
      return undefined;
    },
    recount() {
      known = undefined;
    },
  };
}
