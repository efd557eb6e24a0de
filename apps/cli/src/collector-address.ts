/** Where the collector is, and how the way to it is secured. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Endpoint, readHostPort } from "@lifeline/catalogue";
import { endpointName } from "@lifeline/measure";
import { type ChannelCredentials, channelCredentials, tlsCredentials } from "@lifeline/wire";
import { type TokenSource, tokenSource } from "./bearer-token.ts";
import { CliError } from "./cli-error.ts";

/** Where a collector on this host listens for queries. */
export const DEFAULT_COLLECTOR = "127.0.0.1:9470";

/** The environment variable that names the collector where no flag does. */
export const COLLECTOR_VARIABLE = "LIFELINE_COLLECTOR";

/** The environment variable that names the collector's authority where no flag does. */
export const AUTHORITY_VARIABLE = "LIFELINE_AUTHORITY";

/** What the command line says of the collector; files are paths. */
export interface CollectorFlags {
  readonly collector?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Fingerprint of the collector's authority. */
  readonly authority?: string;
  readonly tokenFile?: string;
  readonly allowPlaintext?: boolean;
}

/** A collector to ask. */
export interface CollectorAddress {
  readonly host: string;
  readonly port: number;
  /** `host:port` as shown to people and as grpc-js takes it. */
  readonly name: string;
  readonly security: CollectorSecurity;
  /** Where the token is that says who asks; absent: none is sent. */
  readonly token?: TokenSource;
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

/**
 * Reads where the collector is: the flag, else {@link COLLECTOR_VARIABLE}, else {@link DEFAULT_COLLECTOR}. TLS files and an
 * authority ask for TLS; without them loopback is plaintext and any other host is TLS by the public roots, unless plaintext is allowed.
 *
 * @throws CliError `usage` for what cannot be read or goes not together, `config` for files.
 */
export function collectorAddress(
  flags: CollectorFlags,
  env: Readonly<Record<string, string | undefined>>,
): CollectorAddress {
  const [source, text] = namedBy(flags, env);
  const endpoint = readHostPort(text);
  if (endpoint === undefined) {
    const wanted = `host:port with a port from 1 to 65535, IPv6 in brackets, such as ${DEFAULT_COLLECTOR}`;
    throw new CliError("usage", `${source}: got '${text}', want ${wanted}`);
  }
  const { host, port } = endpoint;
  const security = securityOf(flags, env, endpoint);
  const token = tokenSource(flags.tokenFile, env);
  if (token === undefined) return { host, port, name: endpointName(host, port), security };
  if (security.kind === "plaintext" && !isLoopback(host)) throw tokenInPlaintext(token);
  return { host, port, name: endpointName(host, port), security, token };
}

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

/** The channel's options for a collector. */
export function channelOptionsOf({ host }: CollectorAddress): { "grpc.enable_http_proxy"?: 0 } {
  // grpc-js follows http_proxy; a collector on this host is never behind one.
  return isLoopback(host) ? { "grpc.enable_http_proxy": 0 } : {};
}

function tokenInPlaintext({ named }: TokenSource): CliError {
  return new CliError(
    "usage",
    `${named}: a token is never sent in plaintext beyond this host, for whoever reads it on the way can use it\nask over TLS: --authority or --ca-file says whom to trust, and --allow-plaintext has to go`,
  );
}

/** Whether a host is this host: 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3), localhost (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  return host === "::1" || host.toLowerCase() === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

function namedBy(
  flags: CollectorFlags,
  env: Readonly<Record<string, string | undefined>>,
): [source: string, text: string] {
  if (flags.collector !== undefined) return ["--collector", flags.collector];
  const named = env[COLLECTOR_VARIABLE];
  return named === undefined || named === "" ? ["--collector", DEFAULT_COLLECTOR] : [COLLECTOR_VARIABLE, named];
}

function securityOf(
  flags: CollectorFlags,
  env: Readonly<Record<string, string | undefined>>,
  { host }: Endpoint,
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
  { authority, caFile }: CollectorFlags,
  env: Readonly<Record<string, string | undefined>>,
): Extract<CollectorTrust, { kind: "named" }> | undefined {
  if (authority !== undefined && caFile !== undefined) {
    throw new CliError("usage", "--authority: goes not with --ca-file; either says whom to trust");
  }
  if (authority !== undefined) return { kind: "named", source: "--authority", fingerprint: authority };
  const named = env[AUTHORITY_VARIABLE] ?? "";
  if (named === "" || caFile !== undefined) return undefined;
  return { kind: "named", source: AUTHORITY_VARIABLE, fingerprint: named };
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
