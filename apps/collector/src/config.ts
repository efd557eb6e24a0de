/**
 * What the collector is told: a file, the environment, flags; the later wins. Every problem names its source, the setting, the
 * value and what would be right, and all problems are told at once.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { basename, dirname, resolve as resolvePath } from "node:path";
import { parseArgs } from "node:util";
import { CatalogueError, isHost, parseYaml, problemLine, readHostPort } from "@lifeline/catalogue";
import * as v from "valibot";

/** Where to listen; port 0 takes any free one. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

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
  /** Directory of the database; created when missing. */
  readonly dataDir: string;
  /** The deployment file. */
  readonly deployment: string;
  /** A whole catalogue instead of the bundled one the deployment asks for. */
  readonly catalogue: string | undefined;
  /** Files of own rows, beside those the deployment names. */
  readonly catalogueExtras: readonly string[];
  readonly tls: TlsFiles | undefined;
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

/** The configuration cannot be used. */
export class ConfigError extends Error {
  readonly code = "bad-config";
  /** One line each. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const LISTEN_WANTED = "host:port with a port from 0 to 65535, IPv6 in brackets";
const PATH_WANTED = "a file path";
/** Largest configuration file, characters: some hundred times what a full one takes. */
const MAX_CONFIG_CHARS = 65_536;
/** Most problems told of one file: more than anyone mends at once. */
const PROBLEMS_MAX = 20;

const listen = v.pipe(
  v.string(LISTEN_WANTED),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const address = readListen(dataset.value);
    if (address !== undefined) return address;
    addIssue({ message: LISTEN_WANTED, input: dataset.value });
    return NEVER;
  }),
);
const path = v.pipe(
  v.string(PATH_WANTED),
  v.check((text) => text !== "" && !text.includes("\0"), PATH_WANTED),
);
const count = (min: number, max: number) => {
  const wanted = `an integer from ${min} to ${max}`;
  return v.pipe(
    v.union([v.number(), v.pipe(v.string(), v.regex(/^\d{1,9}$/), v.transform(Number))], wanted),
    v.integer(wanted),
    v.minValue(min, wanted),
    v.maxValue(max, wanted),
  );
};
const FLAG_WANTED = "true or false";
const flag = v.union(
  [
    v.boolean(),
    v.pipe(
      v.picklist(["true", "false"]),
      v.transform((text) => text === "true"),
    ),
  ],
  FLAG_WANTED,
);
const PATHS_WANTED = "a list of at most 16 file paths";
const paths = v.pipe(v.array(path, PATHS_WANTED), v.maxLength(16, PATHS_WANTED));
const NAMES_WANTED = "a list of at most 16 host names or addresses";
const names = v.pipe(
  v.array(
    v.pipe(
      v.string(NAMES_WANTED),
      v.check((text) => isIP(text) !== 0 || isHost(text), NAMES_WANTED),
    ),
    NAMES_WANTED,
  ),
  v.minLength(1, NAMES_WANTED),
  v.maxLength(16, NAMES_WANTED),
);

/** Every setting: its key in the file (dots for nesting), its flag, its variable, and what is right for it. */
const SETTINGS = {
  listen: {
    flag: "listen",
    env: "LIFELINE_LISTEN",
    schema: listen,
    does: "gRPC listener, host:port (default 127.0.0.1:9470)",
  },
  httpListen: {
    flag: "http-listen",
    env: "LIFELINE_HTTP_LISTEN",
    schema: listen,
    does: "metrics and health, host:port (default 127.0.0.1:9471)",
  },
  dataDir: { flag: "data-dir", env: "LIFELINE_DATA_DIR", schema: path, does: "directory of the database" },
  deployment: { flag: "deployment", env: "LIFELINE_DEPLOYMENT", schema: path, does: "the deployment file" },
  catalogue: {
    flag: "catalogue",
    env: "LIFELINE_CATALOGUE",
    schema: path,
    does: "a whole catalogue instead of the bundled one",
  },
  catalogueExtras: {
    flag: "catalogue-extra",
    env: "LIFELINE_CATALOGUE_EXTRAS",
    schema: paths,
    does: "file of rows of your own; may be given more than once",
  },
  "tls.certFile": {
    flag: "tls-cert",
    env: "LIFELINE_TLS_CERT",
    schema: path,
    does: "certificate of the gRPC listener",
  },
  "tls.keyFile": { flag: "tls-key", env: "LIFELINE_TLS_KEY", schema: path, does: "its key" },
  "tls.caFile": {
    flag: "tls-ca",
    env: "LIFELINE_TLS_CA",
    schema: path,
    does: "authority that agents' certificates are of (mutual TLS)",
  },
  "identity.names": {
    flag: "identity-name",
    env: "LIFELINE_IDENTITY_NAMES",
    schema: names,
    does: "name or address that agents dial: makes this collector the fleet's authority; may be given more than once",
  },
  "identity.authorityCertFile": {
    flag: "authority-cert",
    env: "LIFELINE_AUTHORITY_CERT",
    schema: path,
    does: "certificate of an authority of your own, instead of one kept in the data directory",
  },
  "identity.authorityKeyFile": {
    flag: "authority-key",
    env: "LIFELINE_AUTHORITY_KEY",
    schema: path,
    does: "its key",
  },
  "identity.nodeCertificateHours": {
    flag: "node-certificate-hours",
    env: "LIFELINE_NODE_CERTIFICATE_HOURS",
    schema: count(1, 87_600),
    does: "how long a node's certificate lasts; agents renew at two thirds (default 24)",
  },
  "access.tokensFile": {
    flag: "access-tokens",
    env: "LIFELINE_ACCESS_TOKENS_FILE",
    schema: path,
    does: "lines of NAME ROLE TOKEN: who may ask (reader), administer (admin) or report as a witness (witness)",
  },
  allowPlaintext: {
    flag: "allow-plaintext",
    env: "LIFELINE_ALLOW_PLAINTEXT",
    schema: flag,
    does: "listen without TLS beyond loopback",
  },
  retentionDays: {
    flag: "retention-days",
    env: "LIFELINE_RETENTION_DAYS",
    schema: count(1, 3_650),
    does: "how long reports and closed incidents are kept (default 30)",
  },
  minuteRetentionDays: {
    flag: "minute-retention-days",
    env: "LIFELINE_MINUTE_RETENTION_DAYS",
    schema: count(1, 3_650),
    does: "how long history by the minute is kept, at least retentionDays (default 90)",
  },
  hourRetentionDays: {
    flag: "hour-retention-days",
    env: "LIFELINE_HOUR_RETENTION_DAYS",
    schema: count(1, 3_650),
    does: "how long history by the hour is kept, at least minuteRetentionDays (default 400)",
  },
  maxStreams: {
    flag: "max-streams",
    env: "LIFELINE_MAX_STREAMS",
    schema: count(1, 20_000),
    does: "most agents connected at once (default 10000)",
  },
  readyFile: {
    flag: "ready-file",
    env: "LIFELINE_READY_FILE",
    schema: path,
    does: "written with pid and ports once the collector serves",
  },
} as const;
type Key = keyof typeof SETTINGS;
const KEYS = Object.keys(SETTINGS) as Key[];
/** Settings that name files: relative to the configuration file where they stand in one. */
const FILE_KEYS: readonly Key[] = KEYS.filter((key) => [path, paths].some((schema) => schema === SETTINGS[key].schema));

/** Settings that are lists, and what separates them in a variable. */
const LIST_SEPARATORS: ReadonlyMap<Key, string> = new Map([
  ["catalogueExtras", ":"],
  ["identity.names", ","],
]);
/** Mappings of the file whose keys are settings. */
const SECTIONS = ["tls", "identity", "access"] as const;

/** What `--help` prints. */
export function usage(): string {
  const lines = KEYS.map((key) => {
    const { flag: name, env, does } = SETTINGS[key];
    return `  --${name.padEnd(23)}${does} (${key}, ${env})`;
  });
  return [
    "lifeline-collector: takes the agents' reports, judges them, answers queries and exports metrics",
    "",
    "  --config                 YAML file with the keys named in brackets (LIFELINE_CONFIG); flags and variables stand above it",
    ...lines,
    "",
    "exit codes: 0 stopped as asked, 1 a failure, 2 a configuration that cannot be used",
    "",
  ].join("\n");
}

interface Written {
  /** Where it was written, as problems name it. */
  readonly source: string;
  readonly value: unknown;
}
type AllWritten = Map<Key, Written>;

/** Reads flags, environment and the file named by `--config`. Throws {@link ConfigError} with every problem. */
export function loadConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const flags = readFlags(args);
  const file = flags.config ?? env.LIFELINE_CONFIG;
  const written: AllWritten = new Map();
  if (file !== undefined) readFile(file, written, problems);
  for (const key of KEYS) {
    const { env: variable, flag: name } = SETTINGS[key];
    const fromEnv = env[variable];
    if (fromEnv !== undefined) {
      const separator = LIST_SEPARATORS.get(key);
      const value = separator === undefined ? fromEnv : fromEnv.split(separator);
      written.set(key, { source: `environment: ${variable}`, value });
    }
    const fromFlag = flags.values.get(key);
    if (fromFlag !== undefined) written.set(key, { source: `flag --${name}`, value: fromFlag });
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
    dataDir: need("dataDir"),
    deployment: need("deployment"),
    catalogue: read("catalogue"),
    catalogueExtras: read("catalogueExtras") ?? [],
    tls: tlsOf(read("tls.certFile"), read("tls.keyFile"), read("tls.caFile"), problems),
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

function readFlags(args: readonly string[]): { config: string | undefined; values: Map<Key, unknown> } {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean }> = { config: { type: "string" } };
  for (const key of KEYS) {
    const type = key === "allowPlaintext" ? "boolean" : "string";
    options[SETTINGS[key].flag] = { type, multiple: LIST_SEPARATORS.has(key) };
  }
  const values = parsedFlags(args, options);
  const config = typeof values.config === "string" ? values.config : undefined;
  return { config, values: new Map(KEYS.map((key) => [key, values[SETTINGS[key].flag]])) };
}

function parsedFlags(
  args: readonly string[],
  options: Record<string, { type: "string" | "boolean"; multiple?: boolean }>,
): Readonly<Record<string, unknown>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new ConfigError([`flags: ${error.message.split(". ", 1)[0]}; want some of ${known.join(", ")}`]);
  }
}

function readFile(file: string, written: AllWritten, problems: string[]): void {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    problems.push(`config: got ${JSON.stringify(file)} (${String(error.code)}), want a file that can be read`);
    return;
  }
  readText(file, text, written, problems);
}

/** What a file says, by its text: `file` names it and is where its paths are relative to. */
function readText(file: string, text: string, written: AllWritten, problems: string[]): void {
  const name = basename(file);
  if (text.length > MAX_CONFIG_CHARS) {
    problems.push(`${name}: got ${text.length} characters, want at most ${MAX_CONFIG_CHARS}`);
    return;
  }
  try {
    collect(name, dirname(file), parseYaml(name, text), written, problems);
  } catch (error) {
    if (!(error instanceof CatalogueError)) throw error;
    problems.push(...error.problems.slice(0, PROBLEMS_MAX).map(problemLine));
  }
}

function collect(name: string, directory: string, content: unknown, written: AllWritten, problems: string[]): void {
  if (content === null) return;
  if (!isMapping(content)) {
    problems.push(`${name}: got ${shown(content)}, want a mapping of settings`);
    return;
  }
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(content)) {
    if (!SECTIONS.some((section) => section === key)) flat.set(key, value);
    else if (isMapping(value))
      for (const [inner, setting] of Object.entries(value)) flat.set(`${key}.${inner}`, setting);
    else problems.push(`${name}: ${key}: got ${shown(value)}, want a mapping with ${keysOf(key)}`);
  }
  for (const [key, value] of flat) {
    const known = KEYS.find((candidate) => candidate === key);
    if (known === undefined) problems.push(`${name}: ${key}: got an unknown key, want one of ${KEYS.join(", ")}`);
    else
      written.set(known, {
        source: `${name}: ${key}`,
        value: FILE_KEYS.includes(known) ? beside(directory, value) : value,
      });
  }
}

/** The settings of a section, as they stand in it. */
function keysOf(section: string): string {
  const keys = KEYS.filter((key) => key.startsWith(`${section}.`)).map((key) => key.slice(section.length + 1));
  return keys.join(", ");
}

/** A file named in the configuration file is relative to it. */
function beside(directory: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry: unknown) => beside(directory, entry));
  return typeof value === "string" && value !== "" ? resolvePath(directory, value) : value;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  return JSON.stringify(value)?.slice(0, 80) ?? "nothing";
}

/** `host:port` with port 0 allowed: the form of endpoints, which may not be 0, is read for the rest. */
function readListen(text: string): Listen | undefined {
  const anyPort = /^(.+):0$/.exec(text)?.[1];
  const endpoint = readHostPort(anyPort === undefined ? text : `${anyPort}:1`);
  return endpoint && { host: endpoint.host, port: anyPort === undefined ? endpoint.port : 0 };
}
