/**
 * The fleet's authority as the collector keeps it: its own, made once, or one that was brought along.
 *
 * 1. The key is written before the certificate, each whole or not at all, for the owner alone: what is there is a pair.
 * 2. An authority is never replaced: every agent of the fleet has pinned it.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Authority, AuthorityError, createAuthority, openAuthority } from "@lifeline/identity";
import { ConfigError } from "../config-error.ts";

/** Where the collector keeps its own authority, in its data directory. */
export const AUTHORITY_CERT_NAME = "identity/authority.pem";
export const AUTHORITY_KEY_NAME = "identity/authority.key";

/** How long an authority of the collector's own lasts, ms: ten years, longer than the hardware. */
export const AUTHORITY_LIFETIME_MS = 3_650 * 24 * 3_600_000;

/** Files of an authority that was brought along. */
export interface AuthorityFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Opens the authority that was brought along, or the collector's own, made now when there is none. @throws ConfigError */
export async function openFleetAuthority(
  dataDir: string,
  brought: AuthorityFiles | undefined,
  nowMs: number,
): Promise<Authority> {
  const own = { certFile: join(dataDir, AUTHORITY_CERT_NAME), keyFile: join(dataDir, AUTHORITY_KEY_NAME) };
  const files = brought ?? own;
  if (brought === undefined && !existsSync(own.certFile)) await makeOwn(own, nowMs);
  const certPem = readPem("identity.authorityCertFile", files.certFile);
  const keyPem = readPem("identity.authorityKeyFile", files.keyFile);
  try {
    return await openAuthority(certPem, keyPem, randomBytes);
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error;
    const field = error.code === "not-an-authority" ? "identity.authorityCertFile" : "identity.authorityKeyFile";
    const path = error.code === "not-an-authority" ? files.certFile : files.keyFile;
    throw new ConfigError([`${field}: got ${JSON.stringify(path)} (${error.code}), want ${error.message}`]);
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
    // A key without its certificate is of an attempt that was cut off: nobody has pinned it yet.
    writeWhole(keyFile, made.keyPem, 0o600);
    writeWhole(certFile, made.certPem, 0o644);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(dirname(keyFile))} (${String(error.code)})`;
    throw new ConfigError([`dataDir: got ${got}, want a directory that the authority can be written to`]);
  }
}

/** Writes a file so that whoever looks, also after a power cut, finds it whole or not at all. */
function writeWhole(path: string, text: string, mode: number): void {
  const draft = `${path}.unfinished`;
  const file = openSync(draft, "w", mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  const directory = openSync(dirname(path), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function readPem(field: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new ConfigError([
      `${field}: got ${JSON.stringify(path)} (${String(error.code)}), want a PEM file that can be read`,
    ]);
  }
}
