/** Every setting of the collector: where it may be written, and what is right for it. */
import { isIP } from "node:net";
import { isHost, readHostPort } from "@lifeline/catalogue";
import { HANDSHAKE_BYTES } from "@lifeline/rpc";
import * as v from "valibot";

/** Where to listen; port 0 takes any free one. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

const LISTEN_WANTED = "host:port with a port from 0 to 65535, IPv6 in brackets";
/** What errors say of a path. */
export const PATH_WANTED = "a file path";
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
/** What errors say of names. */
export const NAMES_WANTED = "a list of at most 16 host names or addresses";
const names = v.pipe(
  v.array(
    v.pipe(
      v.string(NAMES_WANTED),
      v.check((text) => isIP(text) !== 0 || isHost(text), NAMES_WANTED),
    ),
    NAMES_WANTED,
  ),
  v.maxLength(16, NAMES_WANTED),
);
const someNames = v.pipe(names, v.minLength(1, NAMES_WANTED));

/** Every setting: its key in the file (dots for nesting), its flag, its variable, and what is right for it. */
export const SETTINGS = {
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
  httpNames: {
    flag: "http-name",
    env: "LIFELINE_HTTP_NAMES",
    schema: names,
    does: "name that metrics and health may be asked for under, beside addresses and localhost; may be given more than once",
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
  "tls.handshakeMaxBytes": {
    flag: "tls-handshake-max-bytes",
    env: "LIFELINE_TLS_HANDSHAKE_MAX_BYTES",
    schema: count(HANDSHAKE_BYTES.min, HANDSHAKE_BYTES.max),
    does: `most bytes of a client's side of a handshake; longer chains of certificates want more (default ${HANDSHAKE_BYTES.default})`,
  },
  "identity.names": {
    flag: "identity-name",
    env: "LIFELINE_IDENTITY_NAMES",
    schema: someNames,
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
/** A setting by its key. */
export type Key = keyof typeof SETTINGS;
/** All of them, in the order of the usage. */
export const KEYS = Object.keys(SETTINGS) as Key[];
/** Settings that name files: relative to the configuration file where they stand in one. */
export const FILE_KEYS: readonly Key[] = KEYS.filter((key) =>
  [path, paths].some((schema) => schema === SETTINGS[key].schema),
);

/** Settings that are lists, and what separates them in a variable. */
export const LIST_SEPARATORS: ReadonlyMap<Key, string> = new Map([
  ["catalogueExtras", ":"],
  ["identity.names", ","],
  ["httpNames", ","],
]);
/** Mappings of the file whose keys are settings. */
export const SECTIONS = ["tls", "identity", "access"] as const;

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

/** The settings of a section, as they stand in it. */
export function keysOf(section: string): string {
  const keys = KEYS.filter((key) => key.startsWith(`${section}.`)).map((key) => key.slice(section.length + 1));
  return keys.join(", ");
}

/** `host:port` with port 0 allowed: the form of endpoints, which may not be 0, is read for the rest. */
function readListen(text: string): Listen | undefined {
  const anyPort = /^(.+):0$/.exec(text)?.[1];
  const endpoint = readHostPort(anyPort === undefined ? text : `${anyPort}:1`);
  return endpoint && { host: endpoint.host, port: anyPort === undefined ? endpoint.port : 0 };
}
