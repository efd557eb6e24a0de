/**
 * What the collector is told: a file, the environment, flags; the later wins. Every problem names its source, the setting, the
 * value and what would be right, and all problems are told at once.
 */
import { HANDSHAKE_BYTES } from "@lifeline/rpc";
import * as v from "valibot";
import { ConfigError } from "./config-error.ts";
import { type AllWritten, readEnvironment, readFile, readFlags, readText, shown } from "./setting-sources.ts";
import { type Key, type Listen, NAMES_WANTED, PATH_WANTED, SETTINGS } from "./settings.ts";

/** Files of the gRPC listener's certificate, and of the authority of its clients' (mutual TLS). */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** Enrolment: the collector has an authority, and makes the certificates of the fleet. */
export interface IdentitySettings {
  /** Names and addresses that agents dial, at least one. */
  readonly names: readonly string[];
  /** Undefined: the collector's own, kept in its data directory. */
  readonly authority: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** How long a node's certificate lasts, hours, 1–87,600. Default 24. */
  readonly nodeCertificateHours: number;
}

/** Everything the collector is told, complete. */
export interface Config {
  /** The gRPC listener. Default 127.0.0.1:9470. */
  readonly listen: Listen;
  /** Metrics and health. Default 127.0.0.1:9471. */
  readonly httpListen: Listen;
  /** Names that metrics and health may be asked for under, beside addresses, `localhost` and the host of `httpListen`; at most 16. Default: none. */
  readonly httpNames: readonly string[];
  /** Directory of the database; created when missing. */
  readonly dataDir: string;
  /** The deployment file. */
  readonly deployment: string;
  /** A whole catalogue instead of the bundled one the deployment asks for. */
  readonly catalogue: string | undefined;
  /** Files of own rows, beside those the deployment names. */
  readonly catalogueExtras: readonly string[];
  readonly tls: TlsFiles | undefined;
  /** Most bytes of a client's side of a TLS handshake, 4,096–65,536. Default 12,288: four certificates of 4,096-bit RSA keys. */
  readonly handshakeMaxBytes: number;
  /** Undefined: the collector enrols nobody. */
  readonly identity: IdentitySettings | undefined;
  /** Tokens that people and programs ask with; undefined: none but those of the environment. */
  readonly accessTokensFile: string | undefined;
  /** Allows listening without TLS beyond loopback. Default false. */
  readonly allowPlaintext: boolean;
  /** How long reports and closed incidents are kept, days, 1–3,650. Default 30. */
  readonly retentionDays: number;
  /** How long roll-ups of a minute are kept, days, `retentionDays`–3,650. Default 90, or `retentionDays` where that is more. */
  readonly minuteRetentionDays: number;
  /** How long roll-ups of an hour are kept, days, `minuteRetentionDays`–3,650. Default 400, or `minuteRetentionDays`. */
  readonly hourRetentionDays: number;
  /** Most agents connected at once, 1–20,000. Default 10,000. */
  readonly maxStreams: number;
  /** Written with pid and ports once the collector is ready. */
  readonly readyFile: string | undefined;
}

/** Reads flags, environment and the file named by `--config`. Throws {@link ConfigError} with every problem. */
export function loadConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const flags = readFlags(args);
  const file = flags.config ?? env.LIFELINE_CONFIG;
  const written: AllWritten = new Map();
  if (file !== undefined) readFile(file, written, problems);
  readEnvironment(env, written);
  for (const [key, value] of flags.values) {
    if (value !== undefined) written.set(key, { source: `flag --${SETTINGS[key].flag}`, value });
  }
  return complete(written, problems);
}

/** The configuration that a file's text alone makes. Throws {@link ConfigError} with every problem. */
export function parseConfig(file: string, text: string): Config {
  const problems: string[] = [];
  const written: AllWritten = new Map();
  readText(file, text, written, problems);
  return complete(written, problems);
}

function complete(written: AllWritten, problems: string[]): Config {
  const read = <K extends Key>(key: K): v.InferOutput<(typeof SETTINGS)[K]["schema"]> | undefined => {
    const given = written.get(key);
    if (given === undefined) return undefined;
    const result = v.safeParse(SETTINGS[key].schema, given.value);
    if (result.success) return result.output as v.InferOutput<(typeof SETTINGS)[K]["schema"]>;
    problems.push(`${given.source}: got ${shown(given.value)}, want ${result.issues[0].message}`);
    return undefined;
  };
  const need = (key: "dataDir" | "deployment"): string => {
    const value = read(key);
    if (value === undefined && !written.has(key))
      problems.push(`${key}: got nothing, want ${PATH_WANTED} (--${SETTINGS[key].flag})`);
    return value ?? "";
  };
  const retentionDays = read("retentionDays") ?? 30;
  const minuteRetentionDays = read("minuteRetentionDays") ?? Math.max(90, retentionDays);
  const hourRetentionDays = read("hourRetentionDays") ?? Math.max(400, minuteRetentionDays);
  const config: Config = {
    listen: read("listen") ?? { host: "127.0.0.1", port: 9_470 },
    httpListen: read("httpListen") ?? { host: "127.0.0.1", port: 9_471 },
    httpNames: read("httpNames") ?? [],
    dataDir: need("dataDir"),
    deployment: need("deployment"),
    catalogue: read("catalogue"),
    catalogueExtras: read("catalogueExtras") ?? [],
    tls: tlsOf(read("tls.certFile"), read("tls.keyFile"), read("tls.caFile"), problems),
    handshakeMaxBytes: read("tls.handshakeMaxBytes") ?? HANDSHAKE_BYTES.default,
    identity: identityOf(read, problems),
    accessTokensFile: read("access.tokensFile"),
    allowPlaintext: read("allowPlaintext") ?? false,
    retentionDays,
    minuteRetentionDays,
    hourRetentionDays,
    maxStreams: read("maxStreams") ?? 10_000,
    readyFile: read("readyFile"),
  };
  if (config.tls !== undefined && config.identity !== undefined) {
    problems.push(
      "identity: got it beside tls, want one of them: with identity the listener's certificate is the fleet authority's",
    );
  }
  refusePlaintext(config, problems);
  refuseShorter(config, written, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function tlsOf(
  certFile: string | undefined,
  keyFile: string | undefined,
  caFile: string | undefined,
  problems: string[],
): TlsFiles | undefined {
  if (certFile === undefined && keyFile === undefined && caFile === undefined) return undefined;
  if (certFile === undefined)
    problems.push("tls.certFile: got nothing, want a file path, for other tls settings are given");
  if (keyFile === undefined)
    problems.push("tls.keyFile: got nothing, want a file path, for other tls settings are given");
  if (caFile === undefined)
    problems.push(
      "tls.caFile: got nothing, want a file path, for without it nobody knows whose node an agent speaks for",
    );
  if (certFile === undefined || keyFile === undefined || caFile === undefined) return undefined;
  return { certFile, keyFile, caFile };
}

type Read = <K extends Key>(key: K) => v.InferOutput<(typeof SETTINGS)[K]["schema"]> | undefined;

function identityOf(read: Read, problems: string[]): IdentitySettings | undefined {
  const names = read("identity.names");
  const certFile = read("identity.authorityCertFile");
  const keyFile = read("identity.authorityKeyFile");
  const hours = read("identity.nodeCertificateHours");
  const others = [certFile, keyFile, hours].some((setting) => setting !== undefined);
  if (names === undefined && others) {
    problems.push(`identity.names: got nothing, want ${NAMES_WANTED}, for other identity settings are given`);
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    problems.push("identity.authorityCertFile and identity.authorityKeyFile: got one of them, want both or none");
  }
  if (names === undefined) return undefined;
  const authority = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  return { names, authority, nodeCertificateHours: hours ?? 24 };
}

function refusePlaintext({ listen: { host }, tls, identity, allowPlaintext }: Config, problems: string[]): void {
  const loopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  if (loopback || tls !== undefined || identity !== undefined || allowPlaintext) return;
  problems.push(
    `listen: got ${host} without tls, want identity.names, tls.certFile with tls.keyFile and tls.caFile, a loopback address, or allowPlaintext: true`,
  );
}

/** What is coarser must be kept at least as long: it is what is left when the finer has gone. */
function refuseShorter(config: Config, written: AllWritten, problems: string[]): void {
  const levels = [
    ["minuteRetentionDays", "retentionDays"],
    ["hourRetentionDays", "minuteRetentionDays"],
  ] as const;
  for (const [coarse, fine] of levels) {
    const source = written.get(coarse)?.source ?? coarse;
    if (config[coarse] < config[fine])
      problems.push(`${source}: got ${config[coarse]}, want at least ${config[fine]}, the days of ${fine}`);
  }
}
