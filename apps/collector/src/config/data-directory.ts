/** The collector's data directory: readable by its owner only. Files of another user in it are refused. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { wrongOwnerOf } from "@lifeline/identity";
import { ConfigError, problem } from "@lifeline/settings";
import { CA_CERT_NAME, CA_KEY_NAME, IDENTITY_DIRECTORY } from "../identity/fleet-ca-files.ts";
import { DATABASE_NAME } from "../store/backup.ts";

/** What is opened, written or changed in it; SQLite's own files among them. */
const OWN_NAMES = [
  "",
  DATABASE_NAME,
  `${DATABASE_NAME}-wal`,
  `${DATABASE_NAME}-shm`,
  `${DATABASE_NAME}-journal`,
  IDENTITY_DIRECTORY,
  CA_CERT_NAME,
  CA_KEY_NAME,
];

/**
 * Makes the directory where it is missing; gives the path of its database.
 * @throws ConfigError when it cannot be made, or another user has put something in the place of the collector's own
 */
export function openDataDirectory(dataDir: string): string {
  try {
    // The store holds what every node sees of its network: for the owner alone.
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(dataDir)} (${String(error.code)})`;
    throw new ConfigError(problem("bad-value", "dataDir", got, "a directory that can be created"));
  }
  for (const name of OWN_NAMES) {
    const planted = wrongOwnerOf(join(dataDir, name));
    if (planted !== undefined) throw new ConfigError(problem("bad-value", "dataDir", planted.got, planted.want));
  }
  return join(dataDir, DATABASE_NAME);
}
