/**
 * How old a row is. No clock at its writing says so, for it may have been wrong: a row bears a mark, the number that the next report was to get
 * when it was written last, and moments say by when the store had how many reports.
 *
 * 1. Numbers only grow, also when every report is gone, and when a transaction is undone.
 * 2. A row is older than a time when a later report had surely arrived by then: never too early, at most as late as moments are apart.
 */
import type { Statement } from "./statement.ts";

export interface Moments {
  /** What a row is marked with that is written now. */
  mark(): number;
  /** A report of that number was stored. */
  advance(): void;
  /** So many reports there are, and it is no earlier and no later than that; ms since the epoch. */
  note(bounds: { readonly earliestMs: number; readonly latestMs: number }): void;
  /** The highest mark of which every row was written before that time; lower than any mark when none was. */
  lastBefore(beforeMs: number): number;
  /** What time it was at the earliest when the last moment was noted. */
  lastEarliestMs(): number | undefined;
  /** Forgets moments that tell nothing of what is younger than that time. */
  forget(beforeMs: number): void;
}

/** Lower than the mark of any row: those of a database from before there were marks have 0. */
const NO_MARK = -1;

export function createMoments(statement: Statement): Moments {
  let next: number | undefined;
  const mark = (): number => {
    next ??= Number(
      statement(
        "SELECT 1 + max(coalesce((SELECT max(id) FROM reports), 0), coalesce((SELECT max(report) FROM moments), 0)) AS next",
      ).get()?.next,
    );
    return next;
  };
  const lastBefore = (beforeMs: number): number =>
    Number(
      statement("SELECT report FROM moments WHERE latest_ms <= ? ORDER BY report DESC LIMIT 1").get(beforeMs)?.report ??
        NO_MARK,
    );
  return {
    mark,
    lastBefore,
    advance() {
      next = mark() + 1;
    },
    note({ earliestMs, latestMs }) {
      // Where no report has come since, those that there are had arrived by the first of both moments.
      statement(
        "INSERT INTO moments VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET earliest_ms = max(earliest_ms, excluded.earliest_ms)",
      ).run(mark() - 1, earliestMs, latestMs);
    },
    lastEarliestMs() {
      const row = statement("SELECT earliest_ms FROM moments ORDER BY report DESC LIMIT 1").get();
      return row === undefined ? undefined : Number(row.earliest_ms);
    },
    forget(beforeMs) {
      statement("DELETE FROM moments WHERE report < ?").run(lastBefore(beforeMs));
    },
  };
}
