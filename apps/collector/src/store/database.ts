/**
 * The database, synchronously; runs in the store's thread.
 *
 * A batch is one transaction: all of it is durable before it is acknowledged, or none of it happened (U1).
 */
import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./migrations.ts";
import { operationsOn } from "./operations.ts";
import { statementCache } from "./statement.ts";
import type { Operation } from "./store-operations.ts";

/** The version of the database is of a later collector than this one. */
const NEWER_SCHEMA = "newer-schema";

/** Why a database could not be opened, apart from SQLite's own errors. */
class SchemaError extends Error {
  readonly code = NEWER_SCHEMA;
}

/** An open database. */
export interface Database {
  /** Runs all operations in one transaction. Throws what SQLite threw, after rolling back. */
  run(operations: readonly Operation[]): unknown[];
  close(): void;
}

/** Opens or creates the database and brings its schema up to date. */
export function openDatabase(path: string): Database {
  const sqlite = new DatabaseSync(path);
  // FULL: the log is synced at each commit, so what was acknowledged outlives a power cut as well as a kill.
  sqlite.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000",
  );
  migrate(sqlite);
  const { operations, reset } = operationsOn(statementCache(sqlite));
  return {
    run(batch) {
      sqlite.exec("BEGIN IMMEDIATE");
      try {
        const outputs = batch.map(({ name, input }) => operations[name](input as never));
        sqlite.exec("COMMIT");
        return outputs;
      } catch (error) {
        if (sqlite.isTransaction) sqlite.exec("ROLLBACK");
        reset();
        throw error;
      }
    },
    close: () => sqlite.close(),
  };
}

function migrate(sqlite: DatabaseSync): void {
  sqlite.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT");
  const found = Number(sqlite.prepare("SELECT max(version) AS version FROM schema_version").get()?.version ?? 0);
  if (found > MIGRATIONS.length) {
    throw new SchemaError(`the database has schema ${found}; this collector knows up to ${MIGRATIONS.length}`);
  }
  for (const [version, step] of MIGRATIONS.entries()) {
    if (version < found) continue;
    sqlite.exec(`BEGIN IMMEDIATE; ${step}; INSERT INTO schema_version VALUES (${version + 1}); COMMIT`);
  }
}
