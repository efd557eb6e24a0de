/**
 * The files of the fleet CA: one that the collector made once, or one that the operator supplies.
 *
 * 1. The key is written before the certificate, each whole or not at all, for the owner alone. So where there is a
 *    certificate there is its key.
 * 2. A CA is never replaced, because every agent of the fleet has pinned it. None is made over a key that is there, nor
 *    beside a database whose nodes were enrolled by another CA.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createFleetCa, type FleetCa, FleetCaError, openFleetCa, writeWholeFile } from "@lifeline/identity";
import { ConfigError, problem } from "@lifeline/settings";
import type { Logger } from "pino";
import { DATABASE_NAME } from "../store/backup.ts";

/** Where the collector keeps its own CA, in its data directory. */
export const IDENTITY_DIRECTORY = "identity";
export const CA_CERT_NAME = `${IDENTITY_DIRECTORY}/ca.pem`;
export const CA_KEY_NAME = `${IDENTITY_DIRECTORY}/ca.key`;

/** How long a CA of the collector's own lasts, ms: ten years, longer than the hardware. */
const CA_LIFETIME_MS = 3_650 * 24 * 3_600_000;

/** How long before its end the collector warns of it, ms: 90 days, because every agent must be given the next CA. */
const CA_ENDING_MS = 90 * 24 * 3_600_000;

/** The files of a CA, PEM. */
interface CaFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Opens the CA of those files, or the collector's own, which is made when there is none. Warns of a CA that ends soon.
 * @throws ConfigError also for a CA that has ended
 */
export async function openOrCreateFleetCa(
  dataDir: string,
  supplied: CaFiles | undefined,
  nowMs: number,
  log: Logger,
): Promise<FleetCa> {
  const own = { certFile: join(dataDir, CA_CERT_NAME), keyFile: join(dataDir, CA_KEY_NAME) };
  const files = supplied ?? own;
  if (supplied === undefined && !existsSync(own.certFile)) {
    refuseToReplace(dataDir, own);
    await makeOwn(own, nowMs);
    log.info({ path: own.certFile }, "made a CA for the fleet; keep a copy of its directory in a safe place");
  }
  const ca = await opened(files);
  const endsAt = new Date(ca.notAfterMs).toISOString();
  if (ca.notAfterMs <= nowMs) {
    const got = `${JSON.stringify(files.certFile)} (ended at ${endsAt})`;
    throw new ConfigError(problem("bad-value", "identity.caCertFile", got, "a CA that has not ended"));
  }
  if (ca.notAfterMs - nowMs < CA_ENDING_MS) {
    log.warn(
      { path: files.certFile, endsAt },
      "the fleet CA ends soon, and every certificate with it; docs/running.md says how to replace it",
    );
  }
  return ca;
}

async function opened(files: CaFiles): Promise<FleetCa> {
  const certPem = readPem("identity.caCertFile", files.certFile);
  const keyPem = readPem("identity.caKeyFile", files.keyFile);
  try {
    return await openFleetCa(certPem, keyPem, randomBytes);
  } catch (error) {
    if (!(error instanceof FleetCaError)) throw error;
    const field = error.code === "not-a-ca" ? "identity.caCertFile" : "identity.caKeyFile";
    const path = error.code === "not-a-ca" ? files.certFile : files.keyFile;
    throw new ConfigError(problem("bad-value", field, `${JSON.stringify(path)} (${error.code})`, error.message));
  }
}

/** @throws ConfigError where files or enrolments show that there was a CA before. */
function refuseToReplace(dataDir: string, { keyFile }: CaFiles): void {
  if (existsSync(keyFile)) {
    const want = `its ${CA_CERT_NAME} beside it, from your copy; or, where no agent has pinned it yet, neither`;
    const got = `${JSON.stringify(keyFile)}, a key without its certificate`;
    throw new ConfigError(problem("bad-value", "dataDir", got, want));
  }
  if (!hasEnrolments(join(dataDir, DATABASE_NAME))) return;
  const want =
    "its identity/ restored from your copy; or, where that is lost for good, identity.caCertFile of a new CA, which every agent must be given";
  const got = `${JSON.stringify(dataDir)}, which has enrolments and no CA`;
  throw new ConfigError(problem("bad-value", "dataDir", got, want));
}

/** Whether a CA of this collector enrolled nodes. Nodes that only showed certificates of another CA do not count. */
function hasEnrolments(databasePath: string): boolean {
  if (!existsSync(databasePath)) return false;
  const database = new DatabaseSync(databasePath);
  try {
    const isKnown = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'enrolments'").get() !== undefined;
    if (!isKnown) return false;
    const enrolled = "SELECT 1 FROM enrolments WHERE join_token_id <> '' OR renewals > 0 LIMIT 1";
    return database.prepare(enrolled).get() !== undefined;
  } finally {
    database.close();
  }
}

async function makeOwn({ certFile, keyFile }: CaFiles, nowMs: number): Promise<void> {
  const made = await createFleetCa({
    commonName: `lifeline fleet CA ${randomBytes(4).toString("hex")}`,
    nowMs,
    lifetimeMs: CA_LIFETIME_MS,
    randomBytes,
  });
  try {
    mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 });
    await writeWholeFile(keyFile, made.keyPem);
    await writeWholeFile(certFile, made.certPem, 0o644);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(dirname(keyFile))} (${String(error.code)})`;
    throw new ConfigError(problem("bad-value", "dataDir", got, "a directory that the CA can be written to"));
  }
}

function readPem(field: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(path)} (${String(error.code)})`;
    throw new ConfigError(problem("unreadable", field, got, "a PEM file that can be read"));
  }
}
