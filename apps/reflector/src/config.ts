/** The reflector's settings. */
import { isIP } from "node:net";
import {
  type Command,
  type Environment,
  type GivenSettings,
  type HostPort,
  kind,
  type Program,
  readCommand,
  readHostPort,
  type Settings,
} from "@lifeline/settings";
import type { NftablesOptions } from "./nftables-rules.ts";
import { MAX_PER_SOURCE_PER_SECOND } from "./reflector.ts";

/** The STAMP port (RFC 8762 §4.1, IANA: 862 is the TWAMP-Test and STAMP receiver port). */
const STAMP_PORT = 862;

const LISTEN_WANTED = `ADDRESS:PORT, such as 192.0.2.1:${STAMP_PORT} or [::]:${STAMP_PORT}`;

const SETTINGS = {
  listen: {
    type: kind.text(readAddressPort, LISTEN_WANTED, "ADDRESS:PORT"),
    default: `[::]:${STAMP_PORT}`,
    help: "address and UDP port; IPv6 in brackets, where [::] is IPv4 as well",
  },
  keyFile: { type: kind.file, help: "answers only requests authenticated with the key in this file, 16 to 1024 bytes" },
  maxPerSourcePerSecond: {
    type: kind.integer(1, 9_999_999, "requests"),
    default: MAX_PER_SOURCE_PER_SECOND,
    help: "most requests a second that are answered for one source address",
  },
  share: {
    type: kind.port,
    help: "with --print-rules: the port whose datagrams go to the reflector, unless they are WireGuard's",
  },
  printRules: {
    type: kind.boolean,
    default: false,
    help: "prints the nftables rules for --share; load them with nft -f -, undo: nft delete table inet lifeline",
  },
  witness: {
    type: kind.port,
    help: "with --print-rules: counts WireGuard's datagrams to this port by source; else: reports the counts every second",
  },
  collector: { type: kind.hostPort, help: "where the witness reports" },
  "tls.caFile": { flag: "tls-ca", type: kind.file, help: "CA of the collector's certificate, PEM" },
  "pair.certFile": {
    flag: "tls-cert",
    type: kind.file,
    help: "the witness's certificate, where the collector wants one",
  },
  "pair.keyFile": { flag: "tls-key", type: kind.file, help: "its key" },
  allowPlaintext: { type: kind.boolean, default: false, help: "reports without TLS" },
} as const satisfies Settings;

/** The reflector's program. */
export const REFLECTOR_PROGRAM: Program<typeof SETTINGS> = {
  name: "lifeline-reflector",
  summary: "answers STAMP test packets (RFC 8762), so that agents can measure UDP to this host",
  settings: SETTINGS,
  notes: "exit codes: 0 stopped by a signal, 1 cannot listen, 2 settings that cannot be used\n",
};

/** Where the witness reports. */
export interface WitnessConfig {
  /** The SideroLink port that is watched. */
  readonly port: number;
  /** host:port of the collector. */
  readonly collector: string;
  /** PEM files; undefined: plaintext, which was allowed. */
  readonly tls:
    | { readonly caFile: string; readonly pair: { readonly certFile: string; readonly keyFile: string } | undefined }
    | undefined;
}

/** What the reflector is to do: print the rules for a shared port, or reflect. */
export type ReflectorConfig =
  | { readonly kind: "rules"; readonly share: NftablesOptions }
  | {
      readonly kind: "reflect";
      readonly listen: HostPort;
      readonly keyFile: string | undefined;
      readonly maxPerSourcePerSecond: number;
      readonly witness: WitnessConfig | undefined;
    };

/** The command that the command line gives. Throws a ConfigError with every problem. */
export function readReflectorCommand(args: readonly string[], environment: Environment): Command<ReflectorConfig> {
  return readCommand(REFLECTOR_PROGRAM, args, environment, (given) =>
    given.values.printRules ? rulesOf(given) : reflectionOf(given),
  );
}

type Given = GivenSettings<typeof SETTINGS>;

function rulesOf(given: Given): ReflectorConfig {
  const { listen, share, witness } = given.values;
  given.needs("share", ["printRules"]);
  if (share !== undefined && witness !== undefined && witness !== share) {
    given.refuse("witness", String(witness), `${share}, the port of --share: the rules are for one port`);
  }
  if (listen.port === 0 || listen.port === share) {
    given.refuse(
      "listen",
      `port ${listen.port}`,
      "a fixed port other than that of --share, to which rules can redirect",
    );
  }
  given.check();
  return {
    kind: "rules",
    share: { port: share ?? 0, reflectorPort: listen.port, witness: witness !== undefined },
  };
}

function reflectionOf(given: Given): ReflectorConfig {
  const { listen, keyFile, maxPerSourcePerSecond, share } = given.values;
  if (share !== undefined) given.refuse("share", String(share), "--print-rules beside it; load what it prints");
  const witness = witnessOf(given);
  given.check();
  return { kind: "reflect", listen, keyFile, maxPerSourcePerSecond, witness };
}

function witnessOf(given: Given): WitnessConfig | undefined {
  const { witness: port, collector, "tls.caFile": caFile, allowPlaintext } = given.values;
  const pair = given.allOf("pair", ["certFile", "keyFile"]);
  given.needs("witness", ["collector", "tls.caFile", "pair.certFile", "pair.keyFile", "allowPlaintext"]);
  given.needs("collector", ["witness"]);
  if (!allowPlaintext || pair !== undefined) given.needs("tls.caFile", ["witness"]);
  if (port === undefined || collector === undefined) return undefined;
  return { port, collector, tls: caFile === undefined ? undefined : { caFile, pair } };
}

function readAddressPort(text: string): HostPort | undefined {
  const address = readHostPort(text, "listen");
  return address !== undefined && isIP(address.host) !== 0 ? address : undefined;
}
