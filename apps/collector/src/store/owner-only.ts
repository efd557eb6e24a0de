/** Only the owner may read the database: it holds what every node sees of its network (S1). */
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "pino";

const FILE_MODE = 0o600;
const OTHERS = 0o077;

/** SQLite's files beside the database, which it makes with the mode of the database. */
const BESIDE = ["-wal", "-shm"];

/**
 * Makes the database's files, and an empty database where there is none, readable for their owner alone. Warns of what
 * cannot be changed, and of a directory that others may look into. Throws the system's error when the database cannot
 * be made.
 */
export function keepToOwner(databasePath: string, log: Logger): void {
  if (!existsSync(databasePath)) closeSync(openSync(databasePath, "a", FILE_MODE));
  for (const path of [databasePath, ...BESIDE.map((ending) => `${databasePath}${ending}`)]) {
    if (!existsSync(path) || (statSync(path).mode & OTHERS) === 0) continue;
    try {
      chmodSync(path, FILE_MODE);
    } catch (error) {
      // Another user's file, or a file system without modes: its mount options decide who reads it.
      if (!(error instanceof Error && "code" in error)) throw error;
      log.warn(
        { path, code: error.code },
        "other users can read the database, and its mode cannot be changed; set mode 600",
      );
    }
  }
  const directory = dirname(databasePath);
  const mode = statSync(directory).mode & 0o777;
  if ((mode & OTHERS) === 0) return;
  log.warn({ path: directory, mode: mode.toString(8) }, "other users can open the data directory; set mode 700");
}
