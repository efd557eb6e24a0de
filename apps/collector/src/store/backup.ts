/**
 * Copies of the database that can be restored.
 *
 * 1. A backup is one consistent snapshot of the database, taken while the collector serves and writes. Everything that
 *    was acknowledged before it began is in it.
 * 2. A file of that name is a whole, checked copy: it is made under another name, and renamed at the end.
 * 3. Nothing is overwritten.
 * 4. A restored database is older than the fleet. A join token in it may have been used since, so it is revoked. Of two
 *    keys of an id, the one that the fleet CA issued to last is right.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DATED } from "./enrolment-rows.ts";
import { MIGRATIONS } from "./migrations.ts";

/** Name of the database in a collector's directory. */
export const DATABASE_NAME = "collector.db";

/** What a copy holds. */
export interface Copied {
  readonly path: string;
  readonly schema: number;
  readonly nodes: number;
  readonly reports: number;
}

/**
 * Why there is no copy. `code`: `exists` (something is in the way), `missing` (nothing to copy), `damaged`,
 * `newer-schema`, or the system's or SQLite's own.
 */
export class BackupError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "BackupError";
    this.code = code;
  }
}

/** Copies the database of the collector at `dataDir` to the file `to`. @throws BackupError */
export function backUp(dataDir: string, to: string): Copied {
  const from = join(dataDir, DATABASE_NAME);
  if (!existsSync(from))
    throw new BackupError("missing", `--data-dir: got "${dataDir}", want a collector's: it has no ${DATABASE_NAME}`);
  return copied("--to", to, (draft) => {
    const source = new DatabaseSync(from);
    try {
      source.exec("PRAGMA busy_timeout = 5000");
      // A reader's snapshot (WAL), so the collector goes on writing. VACUUM INTO accepts an empty file, which keeps its
      // mode.
      source.prepare("VACUUM INTO ?").run(draft);
    } finally {
      source.close();
    }
  });
}

/**
 * Restores a backup as the database of a collector that will start at `dataDir`; `nowMs` is wall time. @throws
 * BackupError
 */
export function restore(from: string, dataDir: string, nowMs: number): Copied {
  if (!existsSync(from))
    throw new BackupError("missing", `--from: got "${from}", want a backup: there is no such file`);
  inspect(from, "--from");
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw failed(error, "--data-dir", dataDir);
  }
  return copied("--data-dir", join(dataDir, DATABASE_NAME), (draft) => {
    copyFileSync(from, draft);
    distrust(draft, nowMs);
  });
}

/**
 * Revokes join tokens, which may have been used since the backup, and marks enrolments, which may have changed since.
 */
function distrust(path: string, nowMs: number): void {
  const database = new DatabaseSync(path);
  try {
    // A database that some other program made has no such table.
    const isKnown = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'enrolments'").get() !== undefined;
    if (!isKnown) return;
    database
      .prepare("UPDATE join_tokens SET revoked_ms = ? WHERE revoked_ms IS NULL AND expires_ms > ?")
      .run(nowMs, nowMs);
    database.prepare("UPDATE enrolments SET is_open = ? WHERE revoked_ms IS NULL").run(DATED);
  } finally {
    database.close();
  }
}

/** Makes the file `to` by `make`, which fills a file of another name first. */
function copied(flag: string, to: string, make: (draft: string) => void): Copied {
  if (existsSync(to)) throw new BackupError("exists", `${flag}: got "${to}", want a file that is not there yet`);
  const draft = `${to}.unfinished`;
  try {
    // An earlier attempt may have left a part. Only the owner may read a copy: it holds what every node sees of its
    // network.
    rmSync(draft, { force: true });
    closeSync(openSync(draft, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
    make(draft);
    const found = inspect(draft, flag);
    sync(draft);
    renameSync(draft, to);
    sync(dirname(to));
    return { ...found, path: to };
  } catch (error) {
    rmSync(draft, { force: true });
    throw failed(error, flag, to);
  }
}

/** Checks every page of a copy, and counts what it holds. */
function inspect(path: string, flag: string): Omit<Copied, "path"> {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const count = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0] ?? 0);
    const [verdict] = Object.values(database.prepare("PRAGMA integrity_check(1)").get() ?? {});
    if (verdict !== "ok") throw new BackupError("damaged", `${flag}: "${path}" is damaged: ${String(verdict)}`);
    const schema = count("SELECT max(version) FROM schema_version");
    if (schema > MIGRATIONS.length) {
      const known = `this collector knows up to ${MIGRATIONS.length}`;
      throw new BackupError("newer-schema", `${flag}: "${path}" has schema ${schema}; ${known}`);
    }
    return { schema, nodes: count("SELECT count(*) FROM nodes"), reports: count("SELECT count(*) FROM reports") };
  } catch (error) {
    // SQLite cannot even read it as a database.
    if (isSqlite(error))
      throw new BackupError("damaged", `${flag}: "${path}" is no database of a collector, or damaged`);
    throw error;
  } finally {
    database.close();
  }
}

function sync(path: string): void {
  const file = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function isSqlite(error: unknown): error is Error & { readonly errcode: number } {
  return error instanceof Error && "errcode" in error;
}

function failed(error: unknown, flag: string, path: string): unknown {
  if (error instanceof BackupError || !(error instanceof Error) || !("code" in error)) return error;
  const code = isSqlite(error) ? `sqlite-${error.errcode}` : String(error.code);
  return new BackupError(code, `${flag}: got "${path}" (${code}), want a place with room that can be written`);
}
