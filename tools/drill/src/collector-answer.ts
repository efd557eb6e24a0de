/** The collector's answers during a drill: rows by node, with the monotonic time of each answer. */
import type { StatusRow } from "@lifeline/cli";

/** One answer of the collector. */
export interface CollectorAnswer {
  /** Monotonic time at which it arrived, ns. */
  readonly seenNs: number;
  readonly rows: readonly StatusRow[];
}

/** Whether the row reports a fault. */
export function isFailing({ verdict, comparison }: StatusRow): boolean {
  return !comparison && (verdict === "unmet" || verdict === "degraded");
}

/** What identifies a row from one answer to the next. */
export function keyOf({ node, requirement, targetId }: StatusRow): string {
  return `${node} ${targetId ?? requirement}`;
}

/** Failing rows of a node that do not follow from another row: the faults an SRE must fix. */
export function rootsOf(rows: readonly StatusRow[], node: string): readonly StatusRow[] {
  return rows.filter((row) => row.node === node && isFailing(row) && row.followsFrom === null);
}

/** Whether every row of `node` that was met in `before` is met again, and nothing fails that did not. */
export function isRecovered(rows: readonly StatusRow[], before: readonly StatusRow[], node: string): boolean {
  return notRecovered(rows, before, node).length === 0;
}

/** The rows of `node` that are worse than in `before`: requirement, probe and current verdict. */
export function notRecovered(
  rows: readonly StatusRow[],
  before: readonly StatusRow[],
  node: string,
): readonly string[] {
  const now = new Map(rows.filter((row) => row.node === node).map((row) => [keyOf(row), row]));
  return before
    .filter((row) => row.node === node && !row.comparison)
    .filter((row) => {
      const verdict = now.get(keyOf(row))?.verdict;
      return row.verdict === "met" ? verdict !== "met" : verdict !== undefined && isWorse(verdict, row.verdict);
    })
    .map((row) => {
      const { verdict = "gone", cause = null } = now.get(keyOf(row)) ?? {};
      return `${row.requirement} ${row.probe} ${row.target}: ${verdict} ${cause ?? ""}`.trim();
    });
}

const BADNESS = { met: 0, "not-applicable": 0, unknown: 1, degraded: 2, unmet: 3 } as const;

function isWorse(now: StatusRow["verdict"], before: StatusRow["verdict"]): boolean {
  return BADNESS[now] > BADNESS[before];
}
