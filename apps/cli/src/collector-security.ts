/** How the way to a collector is secured. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ChannelCredentials, channelCredentials, tlsCredentials } from "@lifeline/rpc";
import { CliError } from "./cli-error.ts";

/** The environment variable that names the fleet CA's fingerprint where no flag does. */
export const CA_FINGERPRINT_VARIABLE = "LIFELINE_CA_FINGERPRINT";

/** What the command line says of it; files are paths. */
export interface SecurityFlags {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Fingerprint of the fleet CA. */
  readonly caFingerprint?: string;
  readonly allowPlaintext?: boolean;
}

/** Plaintext, or TLS; without a pair this side shows no certificate. */
export type CollectorSecurity =
  | { readonly kind: "plaintext" }
  | {
      readonly kind: "tls";
      readonly trust: CollectorTrust;
      readonly pair?: { readonly certPem: Buffer; readonly keyPem: Buffer };
    };

/** Whom the collector's certificate must be by: anybody public, those of a file, or the one authority of a fingerprint. */
export type CollectorTrust =
  | { readonly kind: "public" }
  | { readonly kind: "file"; readonly caPem: Buffer }
  /** Named, but not seen yet: first contact comes before anything else. */
  | { readonly kind: "named"; readonly source: string; readonly fingerprint: string }
  | { readonly kind: "seen"; readonly source: string; readonly caPem: string };

/** The grpc-js credentials of a collector whose authority, where one is named, has been seen. */
export function credentialsOf(security: CollectorSecurity): ChannelCredentials {
  if (security.kind === "plaintext") return channelCredentials.createInsecure();
  const { trust, pair } = security;
  const own = pair === undefined ? {} : { pair };
  switch (trust.kind) {
    case "public":
      return tlsCredentials(own);
    case "file":
      return tlsCredentials({ caPem: trust.caPem, ...own });
    case "named":
      throw new Error("a named authority is seen before it is trusted");
    case "seen":
      return tlsCredentials({ caPem: trust.caPem, caMayBeIntermediate: true, ...own });
  }
}

/** Whether a host is this host: 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3), localhost (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  return host === "::1" || host.toLowerCase() === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * How the collector at `host` is spoken to. Files and an authority ask for TLS; without them loopback is plaintext, and any other host
 * is TLS by the public roots unless plaintext is allowed.
 *
 * @throws CliError `usage` for what goes not together, `config` for files.
 */
export function securityOf(
  flags: SecurityFlags,
  env: Readonly<Record<string, string | undefined>>,
  host: string,
): CollectorSecurity {
  const { caFile, certFile, keyFile, allowPlaintext } = flags;
  const authority = authorityOf(flags, env);
  const files = [caFile, certFile, keyFile].some((file) => file !== undefined);
  if (authority !== undefined && allowPlaintext) {
    throw new CliError("usage", `--allow-plaintext: goes not with ${authority.source}, which asks for TLS`);
  }
  if (files && allowPlaintext) {
    throw new CliError(
      "usage",
      "--allow-plaintext: goes not with --ca-file, --cert-file and --key-file, which ask for TLS",
    );
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [given, missing] = certFile === undefined ? ["--key-file", "--cert-file"] : ["--cert-file", "--key-file"];
    throw new CliError("usage", `${given}: wants ${missing} too; a client certificate is a pair`);
  }
  if (authority === undefined && !files && (allowPlaintext || isLoopback(host))) return { kind: "plaintext" };
  const trust = authority ?? fileTrust(caFile);
  if (certFile === undefined || keyFile === undefined) return { kind: "tls", trust };
  return { kind: "tls", trust, pair: readPair(certFile, keyFile) };
}

function fileTrust(caFile: string | undefined): CollectorTrust {
  return caFile === undefined ? { kind: "public" } : { kind: "file", caPem: readPem("--ca-file", caFile) };
}

/** The authority by its fingerprint. A file that a flag names is nearer than a variable. */
function authorityOf(
  { caFingerprint, caFile }: SecurityFlags,
  env: Readonly<Record<string, string | undefined>>,
): Extract<CollectorTrust, { kind: "named" }> | undefined {
  if (caFingerprint !== undefined && caFile !== undefined) {
    throw new CliError("usage", "--ca-fingerprint: goes not with --ca-file; either says whom to trust");
  }
  if (caFingerprint !== undefined) return { kind: "named", source: "--ca-fingerprint", fingerprint: caFingerprint };
  const named = env[CA_FINGERPRINT_VARIABLE] ?? "";
  if (named === "" || caFile !== undefined) return undefined;
  return { kind: "named", source: CA_FINGERPRINT_VARIABLE, fingerprint: named };
}

function readPair(certFile: string, keyFile: string): { certPem: Buffer; keyPem: Buffer } {
  const certPem = readPem("--cert-file", certFile);
  const keyPem = readPem("--key-file", keyFile);
  if (isPair(certPem, keyPem)) return { certPem, keyPem };
  throw new CliError("config", `--key-file: ${keyFile} is not the key of the certificate in ${certFile}`);
}

function isPair(certPem: Buffer, keyPem: Buffer): boolean {
  try {
    return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    // Whatever keeps either from being read (another format, a passphrase), grpc-js could not use them.
    return false;
  }
}

/** Largest PEM file read, bytes: 1 MiB, above any bundle of public roots. */
const PEM_MAX_BYTES = 1_048_576;

/** Reads a PEM file named by a flag. @throws CliError `config`. */
export function readPem(flag: string, path: string): Buffer {
  const pem = readFile(flag, path);
  if (pem.length <= PEM_MAX_BYTES && pem.includes("-----BEGIN ")) return pem;
  throw new CliError("config", `${flag}: ${path} holds no PEM of at most 1 MiB`);
}

function readFile(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new CliError("config", `${flag}: ${path} cannot be read (${code})`);
  }
}
