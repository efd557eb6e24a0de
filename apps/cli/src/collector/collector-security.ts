/** How the connection to a collector is secured. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ChannelCredentials, channelCredentials, tlsCredentials } from "@lifeline/rpc";
import { CliError } from "../cli-error.ts";

/** The environment variable that names the fleet CA's fingerprint where no flag does. */
export const CA_FINGERPRINT_VARIABLE = "LIFELINE_CA_FINGERPRINT";

/** The flags for it. Files are paths. */
export interface SecurityFlags {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Fingerprint of the fleet CA. */
  readonly caFingerprint?: string;
  readonly allowPlaintext?: boolean;
}

/** Plaintext, or TLS. Without a pair, this side sends no certificate. */
export type CollectorSecurity =
  | { readonly kind: "plaintext" }
  | {
      readonly kind: "tls";
      readonly trust: CollectorTrust;
      readonly pair?: { readonly certPem: Buffer; readonly keyPem: Buffer };
    };

/** Who must have issued the collector's certificate: a public CA, a CA in a file, or the fleet CA. */
export type CollectorTrust =
  | { readonly kind: "public" }
  | { readonly kind: "file"; readonly caPem: Buffer }
  /** The fleet CA by its fingerprint. Its certificate is still to be fetched, before anything else is sent. */
  | { readonly kind: "fingerprint"; readonly source: string; readonly fingerprint: string }
  | { readonly kind: "fleet-ca"; readonly source: string; readonly caPem: string };

/** The grpc-js credentials for a collector. A fleet CA that is given by its fingerprint has been fetched by then. */
export function credentialsOf(security: CollectorSecurity): ChannelCredentials {
  if (security.kind === "plaintext") return channelCredentials.createInsecure();
  const { trust, pair } = security;
  const own = pair === undefined ? {} : { pair };
  switch (trust.kind) {
    case "public":
      return tlsCredentials(own);
    case "file":
      return tlsCredentials({ caPem: trust.caPem, ...own });
    case "fingerprint":
      throw new Error("the certificate of the fleet CA has not been fetched");
    case "fleet-ca":
      return tlsCredentials({ caPem: trust.caPem, caMayBeIntermediate: true, ...own });
  }
}

/** Whether a host is this host: 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3), localhost (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  return host === "::1" || host.toLowerCase() === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * How to connect to the collector at `host`. TLS files and a fingerprint mean TLS. Without them, loopback is plaintext,
 * and any other host is TLS by the public roots unless plaintext is allowed.
 *
 * @throws CliError `usage` for flags that cannot be combined, `config` for files.
 */
export function securityOf(
  flags: SecurityFlags,
  env: Readonly<Record<string, string | undefined>>,
  host: string,
): CollectorSecurity {
  const { caFile, certFile, keyFile, allowPlaintext } = flags;
  const fleetCa = fleetCaOf(flags, env);
  const files = [caFile, certFile, keyFile].some((file) => file !== undefined);
  if (fleetCa !== undefined && allowPlaintext) {
    throw new CliError("usage", `--allow-plaintext: cannot be combined with ${fleetCa.source}, which needs TLS`);
  }
  if (files && allowPlaintext) {
    throw new CliError(
      "usage",
      "--allow-plaintext: cannot be combined with --ca-file, --cert-file and --key-file, which need TLS",
    );
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [given, missing] = certFile === undefined ? ["--key-file", "--cert-file"] : ["--cert-file", "--key-file"];
    throw new CliError("usage", `${given}: needs ${missing} too`);
  }
  if (fleetCa === undefined && !files && (allowPlaintext || isLoopback(host))) return { kind: "plaintext" };
  const trust = fleetCa ?? fileTrust(caFile);
  if (certFile === undefined || keyFile === undefined) return { kind: "tls", trust };
  return { kind: "tls", trust, pair: readPair(certFile, keyFile) };
}

function fileTrust(caFile: string | undefined): CollectorTrust {
  return caFile === undefined ? { kind: "public" } : { kind: "file", caPem: readPem("--ca-file", caFile) };
}

/** The fleet CA by its fingerprint. A --ca-file flag takes precedence over the variable. */
function fleetCaOf(
  { caFingerprint, caFile }: SecurityFlags,
  env: Readonly<Record<string, string | undefined>>,
): Extract<CollectorTrust, { kind: "fingerprint" }> | undefined {
  if (caFingerprint !== undefined && caFile !== undefined) {
    throw new CliError("usage", "--ca-fingerprint: cannot be combined with --ca-file; use one of them");
  }
  if (caFingerprint !== undefined)
    return { kind: "fingerprint", source: "--ca-fingerprint", fingerprint: caFingerprint };
  const named = env[CA_FINGERPRINT_VARIABLE] ?? "";
  if (named === "" || caFile !== undefined) return undefined;
  return { kind: "fingerprint", source: CA_FINGERPRINT_VARIABLE, fingerprint: named };
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
    // The reason does not matter (another format, a passphrase): grpc-js could not use the pair either.
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
