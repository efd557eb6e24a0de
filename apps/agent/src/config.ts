/**
 * What the agent is told: a YAML file, then environment variables, then flags; the later wins.
 *
 * 1. Unknown keys are refused; every error names where the value came from, the field, the value and what would be right.
 * 2. No secret is configured: keys, certificates and the join token are named by path.
 *    What a proxy asks for, and a join token, may stand in the environment, and are read there (prober, enrol/join-token.ts).
 * 3. Plaintext goes to loopback only, unless that is allowed in so many words (S1).
 */
import { statSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { FINGERPRINT_WANTED, readFingerprint } from "@lifeline/identity";
import { isNodeId, MAX_IDENTIFIER_LENGTH, NODE_ID_WANTED } from "@lifeline/wire";
import * as v from "valibot";
import { invalid } from "./config-error.ts";
import { readDocument } from "./document.ts";
import { JOIN_TOKEN_VARIABLE } from "./enrol/join-token.ts";
import { readHostPort } from "./host-port.ts";
import { NODE_ROLES, type NodeRole } from "./node-role.ts";
import { SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES } from "./spool/bounds.ts";
import { integerOf, listOf, mapping, section, textOf, validated, wordOf } from "./strict-schema.ts";
import type { TlsFiles } from "./uplink/credentials.ts";

/** Where state is kept unless told otherwise: what survives a reboot and an upgrade of Talos. */
export const DEFAULT_STATE_DIR = "/var/lib/lifeline";

/** The file that is read when none is named: where an ExtensionServiceConfig of Talos puts it. */
export const DEFAULT_CONFIG_FILE = "/usr/local/etc/lifeline/agent.yaml";

/** The variable that names another. */
export const CONFIG_FILE_VARIABLE = "LIFELINE_CONFIG";

/** Levels of logging, as pino names them. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where the targets come from. */
export type PlanSource = { readonly kind: "collector" } | { readonly kind: "file"; readonly path: string };

/** Enrolment. The join token itself is no part of the configuration (S1). */
export interface EnrolSettings {
  /** Fingerprint of the collector's authority: `sha256:` and 64 lower-case hexadecimal characters. */
  readonly authority: string;
  /** File of the join token; undefined: it stands in the environment, or is not needed any more. */
  readonly tokenFile: string | undefined;
}

/** The agent's configuration, complete. */
export interface AgentConfig {
  /** host:port; undefined: measure and spool only. */
  readonly collector: string | undefined;
  readonly stateDir: string;
  readonly nodeId: string | undefined;
  readonly roles: readonly NodeRole[];
  readonly plan: PlanSource;
  readonly tls: TlsFiles | undefined;
  /** How the node gains a certificate of the collector's authority; undefined: it does not. */
  readonly enrol: EnrolSettings | undefined;
  readonly spool: { readonly maxBytes: number; readonly maxAgeHours: number };
  readonly logLevel: LogLevel;
  /** `address:port` of each resolver; undefined: those of /etc/resolv.conf. */
  readonly resolvers: readonly string[] | undefined;
  /** Undefined: /etc/hosts. */
  readonly hostsFile: string | undefined;
  /** Key of authenticated STAMP; undefined: none, and targets that want one stay unknown. */
  readonly stampKeyFile: string | undefined;
  /** Talos's machine socket, asked as os:reader; undefined: never opened. */
  readonly talos: { readonly socket: string } | undefined;
  /** User and group to become once what needs root is done; undefined: stay who starts it. */
  readonly runAsUid: number | undefined;
}

/** 8 MiB: the spool must hold the largest report (4 MiB) beside the segment it is written to. */
const SPOOL_MIN_BYTES = 8 * 1024 * 1024;
const SPOOL_LIMIT_BYTES = 16 * 1024 * 1024 * 1024;
/** The largest user id: 2^32 - 1 means "no change" (setuid(2)). */
const UID_MAX = 2 ** 32 - 2;
const HOURS_PER_YEAR = 8_760;
const RESOLVERS_MAX = 8;
const PATH_MAX_LENGTH = 4_096;
/** sun_path of unix(7), without its closing zero. */
const SOCKET_PATH_MAX_BYTES = 107;
const SOCKET_WANTED = `a path of 1 to ${SOCKET_PATH_MAX_BYTES} bytes`;

const path = textOf(1, PATH_MAX_LENGTH, "a path");
const address = v.pipe(
  textOf(3, MAX_IDENTIFIER_LENGTH, "host:port"),
  v.check((text) => readHostPort(text) !== undefined, "host:port, IPv6 literals in brackets, port 1 to 65535"),
);

const schema = mapping({
  collector: v.optional(address),
  stateDir: v.optional(path, DEFAULT_STATE_DIR),
  nodeId: v.optional(v.pipe(v.string(NODE_ID_WANTED), v.check(isNodeId, NODE_ID_WANTED))),
  roles: v.optional(
    v.pipe(
      listOf(wordOf(NODE_ROLES), NODE_ROLES.length, `of ${NODE_ROLES.join(", ")}`),
      v.minLength(1, `at least one of ${NODE_ROLES.join(", ")}`),
    ),
    ["talos-node"],
  ),
  plan: v.optional(
    v.union([v.literal("collector"), mapping({ file: path })], "the word collector, or a mapping {file: PATH}"),
    "collector",
  ),
  tls: v.optional(mapping({ caFile: path, certFile: path, keyFile: path })),
  enrol: v.optional(
    mapping({
      authority: v.pipe(
        v.string(FINGERPRINT_WANTED),
        v.check((text) => readFingerprint(text) !== undefined, FINGERPRINT_WANTED),
      ),
      tokenFile: v.optional(path),
    }),
  ),
  allowPlaintext: v.optional(v.boolean("true or false"), false),
  spool: v.optional(
    section(
      mapping({
        maxBytes: v.optional(integerOf(SPOOL_MIN_BYTES, SPOOL_LIMIT_BYTES, " bytes"), SPOOL_MAX_BYTES),
        maxAgeHours: v.optional(integerOf(1, HOURS_PER_YEAR, " hours"), SPOOL_MAX_AGE_HOURS),
      }),
    ),
    {},
  ),
  logLevel: v.optional(wordOf(LOG_LEVELS), "info"),
  resolvers: v.optional(
    listOf(
      v.pipe(
        textOf(3, MAX_IDENTIFIER_LENGTH, "address:port"),
        v.check((text) => isIP(readHostPort(text)?.host ?? "") !== 0, "address:port, IPv6 in brackets"),
      ),
      RESOLVERS_MAX,
      "resolvers",
    ),
  ),
  hostsFile: v.optional(path),
  stampKeyFile: v.optional(path),
  talos: v.optional(mapping({ socket: v.pipe(path, v.maxBytes(SOCKET_PATH_MAX_BYTES, SOCKET_WANTED)) })),
  runAsUid: v.optional(integerOf(0, UID_MAX, ", a user id")),
});

/** How a variable's text becomes a value. */
type Reading = "text" | "list" | "flag" | "integer";

/** Every environment variable, the field it sets, and how it is read. */
const VARIABLES: Readonly<Record<string, readonly [field: string, reading: Reading]>> = {
  LIFELINE_COLLECTOR: ["collector", "text"],
  LIFELINE_STATE_DIR: ["stateDir", "text"],
  LIFELINE_NODE_ID: ["nodeId", "text"],
  LIFELINE_ROLES: ["roles", "list"],
  LIFELINE_PLAN_FILE: ["plan.file", "text"],
  LIFELINE_TLS_CA_FILE: ["tls.caFile", "text"],
  LIFELINE_TLS_CERT_FILE: ["tls.certFile", "text"],
  LIFELINE_TLS_KEY_FILE: ["tls.keyFile", "text"],
  LIFELINE_AUTHORITY: ["enrol.authority", "text"],
  LIFELINE_JOIN_TOKEN_FILE: ["enrol.tokenFile", "text"],
  LIFELINE_ALLOW_PLAINTEXT: ["allowPlaintext", "flag"],
  LIFELINE_SPOOL_MAX_BYTES: ["spool.maxBytes", "integer"],
  LIFELINE_SPOOL_MAX_AGE_HOURS: ["spool.maxAgeHours", "integer"],
  LIFELINE_LOG_LEVEL: ["logLevel", "text"],
  LIFELINE_RESOLVERS: ["resolvers", "list"],
  LIFELINE_HOSTS_FILE: ["hostsFile", "text"],
  LIFELINE_STAMP_KEY_FILE: ["stampKeyFile", "text"],
  LIFELINE_TALOS_SOCKET: ["talos.socket", "text"],
  LIFELINE_RUN_AS_UID: ["runAsUid", "integer"],
};

/** The names of all environment variables the agent reads. */
export const VARIABLE_NAMES: readonly string[] = [CONFIG_FILE_VARIABLE, ...Object.keys(VARIABLES), JOIN_TOKEN_VARIABLE];

/** A value that stands above the file's, by the field it sets. */
export interface Override {
  readonly source: string;
  readonly field: string;
  readonly value: unknown;
}

/** The overrides in an environment. An empty variable is as good as none. */
export function environmentOverrides(environment: Readonly<Record<string, string | undefined>>): Override[] {
  return Object.entries(VARIABLES).flatMap(([name, [field, reading]]) => {
    const text = environment[name];
    return text === undefined || text === "" ? [] : [{ source: name, field, value: readAs(reading, text) }];
  });
}

/** Lifeline variables in an environment that mean nothing to the agent: most likely misspelt. */
export function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(environment).filter((name) => name.startsWith("LIFELINE_") && !VARIABLE_NAMES.includes(name));
}

/**
 * The file to read: the one that was named, which must be there, or the default one where there is such a file. A directory is none:
 * Talos makes one of a mount's source that is missing.
 */
export function configFileOf(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  defaultFile: string = DEFAULT_CONFIG_FILE,
): string | undefined {
  const named = flag ?? (environment[CONFIG_FILE_VARIABLE] || undefined);
  if (named !== undefined) return named;
  return isThere(defaultFile) ? defaultFile : undefined;
}

/** Whether there is something to read; what cannot be looked at counts, so that reading it says why. */
function isThere(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}

/** Puts the configuration together. Throws a ConfigError. */
export function loadConfig(file: string | undefined, overrides: readonly Override[]): AgentConfig {
  return file === undefined
    ? parseConfig({}, "configuration", overrides)
    : parseConfig(readDocument(file), file, overrides);
}

/** The configuration of a file's document, `null` for an empty one, under `overrides`. Throws a ConfigError that names `source`. */
export function parseConfig(input: unknown, source: string, overrides: readonly Override[]): AgentConfig {
  const document = input ?? {};
  const sources = new Map(overrides.map(({ field, source }) => [field, source]));
  const sourceOf = (field: string) => sources.get(field) ?? sources.get(field.replace(/[.[].*$/, "")) ?? source;
  const given = validated(section(schema), overrides.reduce(override, document), sourceOf);
  const { collector, tls, enrol } = given;
  if (tls !== undefined && enrol !== undefined) {
    throw invalid(
      sourceOf("enrol"),
      "enrol",
      "it beside tls",
      "one of them: certificates from files, or from the collector",
    );
  }
  if (
    collector !== undefined &&
    tls === undefined &&
    enrol === undefined &&
    !given.allowPlaintext &&
    !isLoopback(collector)
  ) {
    const want = "enrol {authority}, tls {caFile, certFile, keyFile}, a loopback address, or allowPlaintext: true";
    throw invalid(sourceOf("collector"), "collector", collector, want);
  }
  return {
    collector,
    stateDir: given.stateDir,
    nodeId: given.nodeId,
    roles: [...new Set(given.roles)],
    plan: given.plan === "collector" ? { kind: "collector" } : { kind: "file", path: given.plan.file },
    tls,
    enrol: enrol && { authority: readFingerprint(enrol.authority) ?? "", tokenFile: enrol.tokenFile },
    spool: given.spool,
    logLevel: given.logLevel,
    resolvers: given.resolvers,
    hostsFile: given.hostsFile,
    stampKeyFile: given.stampKeyFile,
    talos: given.talos,
    runAsUid: given.runAsUid,
  };
}

const loopback = new BlockList();
// RFC 1122 §3.2.1.3 and RFC 4291 §2.5.3.
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(collector: string): boolean {
  const host = readHostPort(collector)?.host ?? "";
  // RFC 6761 §6.3: localhost is loopback. Another name may resolve to anything.
  if (host === "localhost") return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? "ipv4" : "ipv6");
}

function readAs(reading: Reading, text: string): unknown {
  switch (reading) {
    case "text":
      return text;
    case "list":
      return text.split(",").map((entry) => entry.trim());
    case "flag":
      return text === "true" ? true : text === "false" ? false : text;
    case "integer":
      return /^\d+$/.test(text) ? Number(text) : text;
  }
}

/** A copy of the document with one field set; what is no mapping on the way there is left for the schema to refuse. */
function override(document: unknown, { field, value }: Override): unknown {
  if (typeof document !== "object" || document === null || Array.isArray(document)) return document;
  const [key = "", ...rest] = field.split(".");
  if (rest.length === 0) return { ...document, [key]: value };
  const inner: unknown = Reflect.get(document, key);
  const base = typeof inner === "object" && inner !== null ? inner : {};
  return { ...document, [key]: override(base, { source: "", field: rest.join("."), value }) };
}
