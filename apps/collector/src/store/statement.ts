/** Prepared statements by their text, and the one way to read a BLOB. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Gives the statement of a text, prepared once. */
export type Statement = (sql: string) => StatementSync;

/** Bounded by the number of SQL texts in this room. */
export function statementCache(sqlite: DatabaseSync): Statement {
  const prepared = new Map<string, StatementSync>();
  return (sql) => {
    const known = prepared.get(sql) ?? sqlite.prepare(sql);
    prepared.set(sql, known);
    return known;
  };
}

/** The bytes of a BLOB column. Throws a TypeError for anything else: the schema is STRICT, so that is a defect. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError("a BLOB column that holds no bytes");
}
