/** The collector's settings. */
import { isHost } from "@lifeline/catalogue";
import { HANDSHAKE_BYTES } from "@lifeline/rpc";
import {
  type Command,
  type Environment,
  type GivenSettings,
  isLoopback,
  kind,
  type PlainValuesOf,
  type Program,
  readCommand,
  readFileText,
  readHostPort,
  type Settings,
} from "@lifeline/settings";
import { TOKEN_VARIABLES } from "../identity/access-tokens.ts";

const LIST_MAX = 16;

const listen = kind.text(
  (text) => [readHostPort(text, "listen")].find((address) => address !== undefined && isHost(address.host)),
  "host:port with a port from 0 (any free one) to 65535, IPv6 in brackets",
  "HOST:PORT",
);
const name = kind.text((text) => (isHost(text) ? text : undefined), "a host name or an address", "NAME");
const days = kind.integer(1, 3_650, "days");

const SETTINGS = {
  listen: { type: listen, default: "127.0.0.1:9470", help: "gRPC listener, for agents and queries" },
  httpListen: { type: listen, default: "127.0.0.1:9471", help: "metrics and health" },
  httpNames: {
    flag: "http-name",
    type: kind.list(name, LIST_MAX, "host names or addresses"),
    default: [],
    help: "name that requests for metrics and health may have, beside addresses, localhost and httpListen",
  },
  dataDir: { type: kind.path("DIR"), required: true, help: "directory of the database; created when missing" },
  deployment: { type: kind.file, required: true, help: "the deployment file" },
  catalogue: { type: kind.file, help: "a whole catalogue instead of the bundled one that the deployment names" },
  catalogueExtras: {
    flag: "catalogue-extra",
    type: kind.list(kind.file, LIST_MAX, "files"),
    default: [],
    help: "file of your own rows, beside those the deployment names",
  },
  "tls.certFile": { name: "tls-cert", type: kind.file, help: "certificate of the gRPC listener, instead of identity" },
  "tls.keyFile": { name: "tls-key", type: kind.file, help: "its key" },
  "tls.caFile": { name: "tls-ca", type: kind.file, help: "CA of the agents' certificates (mutual TLS)" },
  "tls.handshakeMaxBytes": {
    type: kind.integer(HANDSHAKE_BYTES.min, HANDSHAKE_BYTES.max, "bytes"),
    default: HANDSHAKE_BYTES.default,
    help: "most bytes of a client's side of a TLS handshake; longer certificate chains need more",
  },
  "identity.names": {
    flag: "identity-name",
    type: kind.list(name, LIST_MAX, "host names or addresses", 1),
    help: "name or address that agents dial; this collector then is the fleet CA",
  },
  "identity.caCertFile": {
    name: "ca-cert",
    type: kind.file,
    help: "certificate of a fleet CA of your own, instead of one kept in dataDir",
  },
  "identity.caKeyFile": { name: "ca-key", type: kind.file, help: "its key" },
  "identity.nodeCertificateHours": {
    name: "node-certificate-hours",
    type: kind.integer(1, 87_600, "hours"),
    default: 24,
    help: "how long a node's certificate is valid, hours; agents renew at two thirds of it",
  },
  "access.tokensFile": {
    flag: "access-tokens",
    type: kind.file,
    help: "lines of NAME ROLE TOKEN, with the role reader, admin or witness",
  },
  allowPlaintext: { type: kind.boolean, default: false, help: "listens without TLS beyond loopback" },
  retentionDays: { type: days, default: 30, help: "how long reports and closed incidents are kept, days" },
  minuteRetentionDays: {
    type: days,
    default: 90,
    help: "how long roll-ups by the minute are kept, days, at least retentionDays",
  },
  hourRetentionDays: {
    type: days,
    default: 400,
    help: "how long roll-ups by the hour are kept, days, at least minuteRetentionDays",
  },
  maxStreams: { type: kind.integer(1, 20_000, "agents"), default: 10_000, help: "most agents connected at once" },
  readyFile: { type: kind.file, help: "written with pid and ports once the collector serves" },
} as const satisfies Settings;

/** The collector's program. */
export const COLLECTOR_PROGRAM: Program<typeof SETTINGS> = {
  name: "lifeline-collector",
  summary: "takes the agents' reports, judges them, answers queries and exports metrics",
  settings: SETTINGS,
  file: {},
  otherVariables: Object.fromEntries(
    Object.entries(TOKEN_VARIABLES).map(([variable, role]) => [variable, `an access token with the role ${role}`]),
  ),
  notes: "exit codes: 0 stopped on request, 1 a failure, 2 settings that cannot be used\n",
};

/** Files of the gRPC listener's certificate, and of the CA of its clients' (mutual TLS). */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** Enrolment: the collector is the fleet CA and makes the fleet's certificates. */
interface IdentitySettings {
  /** At least one. */
  readonly names: readonly string[];
  /** Undefined: the collector's own, kept in its data directory. */
  readonly ca: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly nodeCertificateHours: number;
}

/** The collector's settings, complete. Values of keys without a dot are described in the table above. */
export interface Config extends PlainValuesOf<typeof SETTINGS> {
  readonly tls: TlsFiles | undefined;
  readonly handshakeMaxBytes: number;
  /** Undefined: the collector enrols no nodes. */
  readonly identity: IdentitySettings | undefined;
  /** Undefined: only the tokens of the environment are valid. */
  readonly accessTokensFile: string | undefined;
}

/** The command of the command line; `--help` ends with `otherCommands`. Throws a ConfigError with every problem. */
export function readCollectorCommand(
  args: readonly string[],
  environment: Environment,
  otherCommands = "",
): Command<Config> {
  const program = { ...COLLECTOR_PROGRAM, notes: `${COLLECTOR_PROGRAM.notes}${otherCommands}` };
  return readCommand(program, args, environment, complete);
}

/** The settings of a YAML file's text alone. Throws a ConfigError with every problem. */
export function parseConfig(file: string, text: string): Config {
  return complete(readFileText(COLLECTOR_PROGRAM, file, text));
}

type Given = GivenSettings<typeof SETTINGS>;

function complete(given: Given): Config {
  const { values, plainValues } = given;
  const tls = given.allOf("tls", ["certFile", "keyFile", "caFile"]);
  const identity = identityOf(given);
  if (tls !== undefined && identity !== undefined) {
    given.refuse("identity.names", "it beside tls", "one of them: identity makes the listener's certificate itself");
  }
  const isSafe = tls !== undefined || identity !== undefined || values.allowPlaintext;
  if (!isSafe && !isLoopback(values.listen.host)) {
    given.refuse("listen", `${values.listen.host} without TLS`, PLAINTEXT_WANTED);
  }
  const retention = retentionOf(given);
  given.check();
  const handshakeMaxBytes = values["tls.handshakeMaxBytes"];
  return {
    ...plainValues,
    ...retention,
    tls,
    handshakeMaxBytes,
    identity,
    accessTokensFile: values["access.tokensFile"],
  };
}

const PLAINTEXT_WANTED =
  "identity.names, tls.certFile with tls.keyFile and tls.caFile, a loopback address, or allowPlaintext: true";

function identityOf(given: Given): IdentitySettings | undefined {
  const certFile = given.values["identity.caCertFile"];
  const keyFile = given.values["identity.caKeyFile"];
  const names = given.values["identity.names"];
  given.needs("identity.names", ["identity.caCertFile", "identity.caKeyFile", "identity.nodeCertificateHours"]);
  given.needs("identity.caCertFile", ["identity.caKeyFile"]);
  given.needs("identity.caKeyFile", ["identity.caCertFile"]);
  if (names === undefined) return undefined;
  const ca = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  return { names, ca, nodeCertificateHours: given.values["identity.nodeCertificateHours"] };
}

/** Coarser roll-ups stay at least as long as finer ones, because they are what is left when the finer have gone. */
function retentionOf(given: Given): Pick<Config, "retentionDays" | "minuteRetentionDays" | "hourRetentionDays"> {
  const atLeast = (coarse: "minuteRetentionDays" | "hourRetentionDays", fine: string, fineDays: number) => {
    const coarseDays = given.values[coarse];
    if (given.isGiven(coarse) && coarseDays < fineDays) {
      given.refuse(coarse, String(coarseDays), `at least ${fineDays}, the days of ${fine}`);
    }
    return Math.max(coarseDays, fineDays);
  };
  const { retentionDays } = given.values;
  const minuteRetentionDays = atLeast("minuteRetentionDays", "retentionDays", retentionDays);
  const hourRetentionDays = atLeast("hourRetentionDays", "minuteRetentionDays", minuteRetentionDays);
  return { retentionDays, minuteRetentionDays, hourRetentionDays };
}
