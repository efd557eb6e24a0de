/**
 * The hours in which rows were stored. A row holds the number of its hour; the table `hours` holds when each hour
 * ended.
 *
 * 1. Numbers only grow, so their order is the order of writing, whatever a clock said.
 * 2. The hour under way has no date. It ends when the retention job closes it, which it does only while clocks agree
 *    (retention-guard.ts). Rows that are stored while a clock is wrong therefore wait, and get the date at which
 *    clocks agreed again: they are never too old, and they stay longer only by as long as the guard was closed.
 * 3. All rows up to the end of an hour were stored by then. An hour that was dated too late gets no row kept longer
 *    than the end of a later hour says.
 */
import type { Statement } from "./statement.ts";

/** No row has this number. */
const NO_HOUR = 0;

export class StorageHours {
  readonly #statement: Statement;
  #current: number | undefined;

  constructor(statement: Statement) {
    this.#statement = statement;
  }

  /** The number of the hour under way, from 1. */
  current(): number {
    this.#current ??= 1 + Number(this.#statement("SELECT coalesce(max(id), 0) AS id FROM hours").get()?.id);
    return this.#current;
  }

  /**
   * Ends the hour under way at `endedMs`, ms since the epoch. Rows that are written from now on are of the next one.
   */
  close(endedMs: number): void {
    this.#statement("INSERT INTO hours (id, ended_ms) VALUES (?, ?)").run(this.current(), endedMs);
    this.#current = undefined;
  }

  /** The last hour that ended by then, ms since the epoch; lower than that of any row when none did. */
  lastBefore(beforeMs: number): number {
    const row = this.#statement("SELECT id FROM hours WHERE ended_ms <= ? ORDER BY id DESC LIMIT 1").get(beforeMs);
    return Number(row?.id ?? NO_HOUR);
  }

  /** When the last closed hour ended, ms since the epoch; undefined: none was closed yet. */
  lastEndedMs(): number | undefined {
    const row = this.#statement("SELECT ended_ms FROM hours ORDER BY id DESC LIMIT 1").get();
    return row === undefined ? undefined : Number(row.ended_ms);
  }

  /** Deletes the dates of hours before the last one that ended by then. The last one stays: it tells as much. */
  prune(beforeMs: number): void {
    this.#statement("DELETE FROM hours WHERE id < ?").run(this.lastBefore(beforeMs));
  }

  /** To be called after a transaction that was undone: the table is read again. */
  reset(): void {
    this.#current = undefined;
  }
}
