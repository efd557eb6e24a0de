/**
 * The fleet's authority as the collector keeps it: its own, made once, or one that was brought along.
 *
 * 1. The key is written before the certificate, each whole or not at all, for the owner alone: what is there is a pair.
 * 2. An authority is never replaced: every agent of the fleet has pinned it. None is made over a key that is there, nor beside a database
 *    whose nodes were enrolled by another one.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Authority, AuthorityError, createAuthority, openAuthority, writeWholeFile } from "@lifeline/identity";
import { ConfigError, problem } from "@lifeline/settings";
import type { Logger } from "pino";
import { DATABASE_NAME } from "../store/backup.ts";

/** Where the collector keeps its own authority, in its data directory. */
export const IDENTITY_DIRECTORY = "identity";
export const AUTHORITY_CERT_NAME = `${IDENTITY_DIRECTORY}/authority.pem`;
export const AUTHORITY_KEY_NAME = `${IDENTITY_DIRECTORY}/authority.key`;

/** How long an authority of the collector's own lasts, ms: ten years, longer than the hardware. */
export const AUTHORITY_LIFETIME_MS = 3_650 * 24 * 3_600_000;

/** From when on before its end an authority is warned of, ms: 90 days, for every agent must be told of the next one. */
export const AUTHORITY_ENDING_MS = 90 * 24 * 3_600_000;

/** Files of an authority that was brought along. */
export interface AuthorityFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Opens the authority that was brought along, or the collector's own, made now when there is none. Warns of one that ends soon.
 * @throws ConfigError also for one that has ended
 */
export async function openFleetAuthority(
  dataDir: string,
  brought: AuthorityFiles | undefined,
  nowMs: number,
  log: Logger,
): Promise<Authority> {
  const own = { certFile: join(dataDir, AUTHORITY_CERT_NAME), keyFile: join(dataDir, AUTHORITY_KEY_NAME) };
  const files = brought ?? own;
  if (brought === undefined && !existsSync(own.certFile)) {
    refuseToReplace(dataDir, own);
    await makeOwn(own, nowMs);
    log.info({ path: own.certFile }, "an authority was made for the fleet; keep a copy of it in a safe place");
  }
  const authority = await opened(files);
  const endsAt = new Date(authority.notAfterMs).toISOString();
  if (authority.notAfterMs <= nowMs) {
    const got = `${JSON.stringify(files.certFile)} (ended at ${endsAt})`;
    throw new ConfigError(problem("bad-value", "identity.authorityCertFile", got, "an authority that has not ended"));
  }
  if (authority.notAfterMs - nowMs < AUTHORITY_ENDING_MS) {
    log.warn({ path: files.certFile, endsAt }, "the fleet's authority ends, and every certificate with it");
  }
  return authority;
}

async function opened(files: AuthorityFiles): Promise<Authority> {
  const certPem = readPem("identity.authorityCertFile", files.certFile);
  const keyPem = readPem("identity.authorityKeyFile", files.keyFile);
  try {
    return await openAuthority(certPem, keyPem, randomBytes);
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error;
    const field = error.code === "not-an-authority" ? "identity.authorityCertFile" : "identity.authorityKeyFile";
    const path = error.code === "not-an-authority" ? files.certFile : files.keyFile;
    throw new ConfigError(problem("bad-value", field, `${JSON.stringify(path)} (${error.code})`, error.message));
  }
}

/** @throws ConfigError where there was an authority before, as far as can be seen. */
function refuseToReplace(dataDir: string, { keyFile }: AuthorityFiles): void {
  if (existsSync(keyFile)) {
    const want = `its ${AUTHORITY_CERT_NAME} beside it, from your copy; or, where no agent was told of it yet, neither`;
    const got = `${JSON.stringify(keyFile)}, a key without its certificate`;
    throw new ConfigError(problem("bad-value", "dataDir", got, want));
  }
  if (!hasEnrolments(join(dataDir, DATABASE_NAME))) return;
  const want =
    "the copy of its identity/ brought back; or, where that is lost for good, identity.authorityCertFile of a new one, which every agent must be told of";
  const got = `${JSON.stringify(dataDir)}, which has enrolments and no authority`;
  throw new ConfigError(problem("bad-value", "dataDir", got, want));
}

/** Whether nodes were enrolled by an authority, and not only seen with certificates of another one. */
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

async function makeOwn({ certFile, keyFile }: AuthorityFiles, nowMs: number): Promise<void> {
  const made = await createAuthority({
    commonName: `lifeline fleet authority ${randomBytes(4).toString("hex")}`,
    nowMs,
    lifetimeMs: AUTHORITY_LIFETIME_MS,
    randomBytes,
  });
  try {
    mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 });
    await writeWholeFile(keyFile, made.keyPem);
    await writeWholeFile(certFile, made.certPem, 0o644);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(dirname(keyFile))} (${String(error.code)})`;
    throw new ConfigError(problem("bad-value", "dataDir", got, "a directory that the authority can be written to"));
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
