/** Who may read the database: it holds what every node sees of its network, so its owner alone (S1). */
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "pino";

const FILE_MODE = 0o600;
const OTHERS = 0o077;

/** SQLite's files beside the database, which it makes with the database's own mode. */
const BESIDE = ["-wal", "-shm"];

/**
 * Makes the database's files, and an empty database where there is none, readable for their owner alone. Warns of what cannot be changed,
 * and of a directory that others may look into. Throws the system's error when the database cannot be made.
 */
export function keepToOwner(databasePath: string, log: Logger): void {
  if (!existsSync(databasePath)) closeSync(openSync(databasePath, "a", FILE_MODE));
  for (const path of [databasePath, ...BESIDE.map((ending) => `${databasePath}${ending}`)]) {
    if (!existsSync(path) || (statSync(path).mode & OTHERS) === 0) continue;
    try {
      chmodSync(path, FILE_MODE);
    } catch (error) {
      // Another user's, or a file system without modes: it is as open as whoever mounted it says.
      if (!(error instanceof Error && "code" in error)) throw error;
      log.warn(
        { path, code: error.code },
        "the database can be read by others, and its mode cannot be changed; want mode 600",
      );
    }
  }
  const directory = dirname(databasePath);
  const mode = statSync(directory).mode & 0o777;
  if ((mode & OTHERS) === 0) return;
  log.warn({ path: directory, mode: mode.toString(8) }, "the data directory is open to others; want mode 700");
}
