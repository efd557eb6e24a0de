/**
 * The agent's settings.
 *
 * 1. No secret is one: keys, certificates and the join token are named by path. A proxy's credentials and a join token
 *    may be in the environment, and are read there (prober, enrol/join-token.ts).
 * 2. Plaintext beyond loopback needs `allowPlaintext` (S1).
 */
import { FINGERPRINT_WANTED, readFingerprint } from "@lifeline/identity";
import {
  type Command,
  type Environment,
  type GivenSettings,
  isLoopback,
  kind,
  LOG_LEVELS,
  type PlainValuesOf,
  type Program,
  readCommand,
  readFileText,
  readHostPort,
  type Settings,
} from "@lifeline/settings";
import { isNodeId, NODE_ID_WANTED } from "@lifeline/wire";
import { JOIN_TOKEN_VARIABLE } from "./enrol/join-token.ts";
import { SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES } from "./spool/bounds.ts";
import type { TlsFiles } from "./uplink/credentials.ts";
import { NODE_ROLES } from "./uplink/node-role.ts";

/** The file that is read when none is named: where an ExtensionServiceConfig of Talos puts it. */
export const DEFAULT_CONFIG_FILE = "/usr/local/etc/lifeline/agent.yaml";

/** Where state is kept by default: what survives a reboot and an upgrade of Talos. */
const DEFAULT_STATE_DIR = "/var/lib/lifeline";

/** Bounds of `spool.maxBytes`: it must hold the largest report (4 MiB) beside the segment it is written to. */
const SPOOL_BYTES = { min: 8 * 1024 * 1024, max: 16 * 1024 * 1024 * 1024 };
/** The largest user id: 2^32 - 1 means "no change" (setuid(2)). */
const UID_MAX = 2 ** 32 - 2;
const HOURS_PER_YEAR = 8_760;
/** sun_path of unix(7), without its closing zero. */
const SOCKET_PATH_MAX_BYTES = 107;

const nodeId = kind.text((text) => (isNodeId(text) ? text : undefined), NODE_ID_WANTED, "ID");
const fingerprint = kind.text(readFingerprint, FINGERPRINT_WANTED, "FINGERPRINT");
const collectorWord = kind.text(
  (text) => (text === "collector" ? text : undefined),
  "the word collector, or a mapping {file: PATH}",
  "",
);

const SETTINGS = {
  collector: { type: kind.hostPort, help: "where reports go; without one they stay in the spool" },
  allowPlaintext: { type: kind.boolean, default: false, help: "reports without TLS to a collector beyond loopback" },
  "enrol.caFingerprint": {
    name: "ca-fingerprint",
    type: fingerprint,
    help: "fingerprint of the fleet CA; the node gets its certificate from the collector",
  },
  "enrol.tokenFile": { name: "join-token-file", type: kind.file, help: "join token, needed for the first certificate" },
  "tls.caFile": { type: kind.file, help: "CA of the collector's certificate, PEM" },
  "tls.certFile": { type: kind.file, help: "the node's certificate, PEM, instead of enrol" },
  "tls.keyFile": { type: kind.file, help: "its key, PEM" },
  stateDir: {
    type: kind.path("DIR"),
    default: DEFAULT_STATE_DIR,
    help: "directory of the spool, the plan, the identity and a random node id",
  },
  "spool.maxBytes": {
    type: kind.integer(SPOOL_BYTES.min, SPOOL_BYTES.max, "bytes"),
    default: SPOOL_MAX_BYTES,
    help: "largest size of the spool, bytes; the oldest reports are dropped first",
  },
  "spool.maxAgeHours": {
    type: kind.integer(1, HOURS_PER_YEAR, "hours"),
    default: SPOOL_MAX_AGE_HOURS,
    help: "longest time a report stays in the spool, hours",
  },
  nodeId: {
    type: nodeId,
    help: "this node's id (default: the machine's DMI UUID, else a random one kept in stateDir)",
  },
  roles: {
    flag: "role",
    type: kind.list(kind.word(NODE_ROLES, "ROLE"), NODE_ROLES.length, `of ${NODE_ROLES.join(", ")}`, 1),
    default: ["talos-node"],
    help: `what this node is: ${NODE_ROLES.join(", ")}, or both`,
  },
  plan: { name: "", type: collectorWord, default: "collector", help: "the collector says what to measure" },
  "plan.file": { flag: "plan", type: kind.file, help: "this file says what to measure, instead of the collector" },
  resolvers: {
    flag: "resolver",
    type: kind.list(kind.addressPort, 8, "resolvers"),
    help: "DNS resolvers (default: those of /etc/resolv.conf)",
  },
  hostsFile: { type: kind.file, help: "hosts file (default: /etc/hosts)" },
  stampKeyFile: {
    type: kind.file,
    help: "key of authenticated STAMP, 16 to 1024 bytes; targets that need it stay unknown without it",
  },
  "talos.socket": {
    type: kind.path("SOCKET", SOCKET_PATH_MAX_BYTES),
    help: "Talos's machine socket, used as os:reader (default: not used)",
  },
  runAsUid: {
    type: kind.integer(0, UID_MAX, "(a user id)"),
    help: "user and group to become after what needs root (default: stay who starts it)",
  },
  logLevel: {
    type: kind.word(LOG_LEVELS, "LEVEL"),
    default: "info",
    help: `least important lines that are logged: ${LOG_LEVELS.join(", ")}`,
  },
} as const satisfies Settings;

/** The agent's program. */
export const AGENT_PROGRAM: Program<typeof SETTINGS> = {
  name: "lifeline-agent",
  summary: "measures from this node what Omni needs to be reachable",
  settings: SETTINGS,
  file: { path: DEFAULT_CONFIG_FILE },
  otherVariables: {
    [JOIN_TOKEN_VARIABLE]: "the join token itself, instead of enrol.tokenFile",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "the node's proxy, as for other programs",
  },
  notes: "exit codes: 0 stopped by a signal, 1 a defect, 2 settings that cannot be used\n",
};

/** Where the targets come from. */
export type PlanSource = { readonly kind: "collector" } | { readonly kind: "file"; readonly path: string };

/** Enrolment. The join token itself is no setting (S1). */
export interface EnrolSettings {
  /** Fingerprint of the fleet CA: `sha256:` and 64 lower-case hexadecimal characters. */
  readonly caFingerprint: string;
  /** File of the join token; undefined: it is in the environment, or no longer needed. */
  readonly tokenFile: string | undefined;
}

/** The agent's settings, complete. Values of keys without a dot are described in the table above. */
export interface AgentConfig extends Omit<PlainValuesOf<typeof SETTINGS>, "plan"> {
  readonly plan: PlanSource;
  readonly tls: TlsFiles | undefined;
  readonly enrol: EnrolSettings | undefined;
  readonly spool: { readonly maxBytes: number; readonly maxAgeHours: number };
  readonly talos: { readonly socket: string } | undefined;
}

/** The command that the command line gives. Throws a ConfigError with every problem. */
export function readAgentCommand(args: readonly string[], environment: Environment): Command<AgentConfig> {
  return readCommand(AGENT_PROGRAM, args, environment, complete);
}

/** The settings of a YAML file's text under those of an environment. Throws a ConfigError with every problem. */
export function parseConfig(file: string, text: string, environment: Environment = {}): AgentConfig {
  return complete(readFileText(AGENT_PROGRAM, file, text, environment));
}

function complete(given: GivenSettings<typeof SETTINGS>): AgentConfig {
  const { values, plainValues } = given;
  const { collector, "enrol.caFingerprint": caFingerprint, "plan.file": planFile } = values;
  const tls = given.allOf("tls", ["caFile", "certFile", "keyFile"]);
  const talos = given.allOf("talos", ["socket"]);
  given.needs("enrol.caFingerprint", ["enrol.tokenFile"]);
  if (caFingerprint !== undefined && tls !== undefined) {
    const want = "one of them: a certificate from the collector, or from files";
    given.refuse("enrol.caFingerprint", "it beside tls", want);
  }
  const isSafe = tls !== undefined || caFingerprint !== undefined || values.allowPlaintext;
  if (collector !== undefined && !isSafe && !isLoopback(readHostPort(collector)?.host ?? "")) {
    given.refuse("collector", `${JSON.stringify(collector)} without TLS`, PLAINTEXT_WANTED);
  }
  given.check();
  return {
    ...plainValues,
    roles: [...new Set(values.roles)],
    plan: planFile === undefined ? { kind: "collector" } : { kind: "file", path: planFile },
    tls,
    enrol: caFingerprint === undefined ? undefined : { caFingerprint, tokenFile: values["enrol.tokenFile"] },
    spool: { maxBytes: values["spool.maxBytes"], maxAgeHours: values["spool.maxAgeHours"] },
    talos,
  };
}

const PLAINTEXT_WANTED =
  "enrol.caFingerprint, tls.caFile with tls.certFile and tls.keyFile, a loopback address, or allowPlaintext: true";
