/** The address of the collector, and the credentials for it. */
import { readHostPort } from "@lifeline/catalogue";
import { endpointName } from "@lifeline/measure";
import { CliError } from "../cli-error.ts";
import { type TokenSource, tokenSource } from "./bearer-token.ts";
import { type CollectorSecurity, isLoopback, type SecurityFlags, securityOf } from "./collector-security.ts";

/** Where a collector on this host listens for queries. */
export const DEFAULT_COLLECTOR = "127.0.0.1:9470";

/** The environment variable that names the collector where no flag does. */
export const COLLECTOR_VARIABLE = "LIFELINE_COLLECTOR";

/** The flags for the collector. Files are paths. */
export interface CollectorFlags extends SecurityFlags {
  readonly collector?: string;
  readonly tokenFile?: string;
}

/** A collector to query. */
export interface CollectorAddress {
  readonly host: string;
  readonly port: number;
  /** `host:port` as shown to people and as grpc-js takes it. */
  readonly name: string;
  readonly security: CollectorSecurity;
  /** Where the access token is read from; absent: none is sent. */
  readonly token?: TokenSource;
}

/**
 * The address of the collector: the flag, else {@link COLLECTOR_VARIABLE}, else {@link DEFAULT_COLLECTOR}. TLS files
 * and a fingerprint mean TLS. Without them loopback is plaintext, and any other host is TLS by the public roots, unless
 * plaintext is allowed.
 *
 * @throws CliError `usage` for values that are malformed or cannot be combined, `config` for files.
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
  const security = securityOf(flags, env, host);
  const token = tokenSource(flags.tokenFile, env);
  if (token === undefined) return { host, port, name: endpointName(host, port), security };
  if (security.kind === "plaintext" && !isLoopback(host)) throw tokenInPlaintext(token);
  return { host, port, name: endpointName(host, port), security, token };
}

/** The channel's options for a collector. */
export function channelOptionsOf({ host }: CollectorAddress): { "grpc.enable_http_proxy"?: 0 } {
  // grpc-js follows http_proxy; a collector on this host is never behind one.
  return isLoopback(host) ? { "grpc.enable_http_proxy": 0 } : {};
}

function tokenInPlaintext({ named }: TokenSource): CliError {
  return new CliError(
    "usage",
    `${named}: a token is never sent in plaintext to another host, because anybody on the path could read it\nuse TLS: --ca-fingerprint or --ca-file, without --allow-plaintext`,
  );
}

function namedBy(
  flags: CollectorFlags,
  env: Readonly<Record<string, string | undefined>>,
): [source: string, text: string] {
  if (flags.collector !== undefined) return ["--collector", flags.collector];
  const named = env[COLLECTOR_VARIABLE];
  return named === undefined || named === "" ? ["--collector", DEFAULT_COLLECTOR] : [COLLECTOR_VARIABLE, named];
}
