/**
 * How old a row is. No clock at its writing says so, for it may have been wrong: what is written bears a mark, which only grows (a report its number),
 * and moments say up to which mark all was written by when.
 *
 * 1. Marks are never used again: not when every report is gone, nor when a transaction is undone.
 * 2. A row is older than a time when a moment after its writing was by then at the latest: never too early, and too late by what moments
 *    are apart.
 */
import type { Statement } from "./statement.ts";

export interface Moments {
  /** What a row is marked with that is written now. */
  mark(): number;
  /** The mark is used up: what is written from now on has a later one. */
  advance(): void;
  /** All up to that mark was written, and then it was no earlier and no later than that; ms since the epoch. */
  note(mark: number, bounds: { readonly earliestMs: number; readonly latestMs: number }): void;
  /** The highest mark up to which all was written before that time; lower than any mark when nothing surely was. */
  lastBefore(beforeMs: number): number;
  /** What time it was at the earliest at the last moment; undefined: there is none. */
  lastEarliestMs(): number | undefined;
  /** Forgets the moments that tell nothing of what was written since that time. */
  forget(beforeMs: number): void;
}

/** Of nodes of which nothing tells any more when they were heard. */
const NO_MARK = -1;

export function createMoments(statement: Statement): Moments {
  let next: number | undefined;
  const mark = (): number => {
    next ??= Number(
      statement(
        "SELECT 1 + max(coalesce((SELECT max(id) FROM reports), 0), coalesce((SELECT max(mark) FROM moments), 0)) AS next",
      ).get()?.next,
    );
    return next;
  };
  const lastBefore = (beforeMs: number): number =>
    Number(
      statement("SELECT mark FROM moments WHERE latest_ms <= ? ORDER BY mark DESC LIMIT 1").get(beforeMs)?.mark ??
        NO_MARK,
    );
  return {
    mark,
    lastBefore,
    advance() {
      next = mark() + 1;
    },
    note(upTo, { earliestMs, latestMs }) {
      statement("INSERT INTO moments (mark, earliest_ms, latest_ms) VALUES (?, ?, ?)").run(upTo, earliestMs, latestMs);
    },
    lastEarliestMs() {
      const row = statement("SELECT earliest_ms FROM moments ORDER BY mark DESC LIMIT 1").get();
      return row === undefined ? undefined : Number(row.earliest_ms);
    },
    forget(beforeMs) {
      statement("DELETE FROM moments WHERE mark < ?").run(lastBefore(beforeMs));
    },
  };
}
