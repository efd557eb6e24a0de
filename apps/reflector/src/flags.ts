/** The command line of the reflector, as a value or as the one line that says what is wrong with it. */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { MAX_PER_SOURCE_PER_SECOND } from "./reflector.ts";
import type { ShareOptions } from "./share-rules.ts";

/** The STAMP port (RFC 8762 §4.1, IANA: 862 is the TWAMP-Test and STAMP receiver port). */
export const STAMP_PORT = 862;

/** Where the witness reports. */
export interface WitnessFlags {
  /** The SideroLink port that is watched. */
  readonly port: number;
  /** host:port of the collector. */
  readonly collector: string;
  /** PEM files; all undefined: plaintext, which was allowed. */
  readonly tls:
    | { readonly caFile: string; readonly certFile: string | undefined; readonly keyFile: string | undefined }
    | undefined;
}

/** What the reflector is asked to do. */
export interface Flags {
  readonly host: string;
  readonly port: number;
  readonly keyFile: string | undefined;
  readonly maxPerSourcePerSecond: number;
  readonly witness: WitnessFlags | undefined;
}

/** Parsed flags, the wish for help or for the rules, or the fault. */
export type ParsedFlags =
  | { readonly kind: "run"; readonly flags: Flags }
  | { readonly kind: "rules"; readonly share: ShareOptions }
  | { readonly kind: "help" }
  | { readonly kind: "bad"; readonly message: string };

/** What `--help` prints. */
export const USAGE = `Usage: lifeline-reflector [--listen HOST:PORT] [--key-file FILE] [OPTION ...]
       lifeline-reflector --share PORT [--witness PORT] --print-rules

Answers STAMP test packets (RFC 8762), so that agents can measure UDP to this host.

  --listen HOST:PORT               address and UDP port; IPv6 in brackets (default [::]:${STAMP_PORT}, IPv4 as well)
  --key-file FILE                  answer only requests authenticated with the key in FILE (16 to 1024 bytes)
  --max-per-source-per-second N    requests answered for each source address (default ${MAX_PER_SOURCE_PER_SECOND})

  --share PORT --print-rules       print the nftables rules that hand this port's datagrams to the reflector, unless
                                   they are WireGuard's; load them with nft -f -, undo: nft delete table inet lifeline
  --witness PORT                   with --print-rules: count WireGuard's datagrams to this port by source as well;
                                   otherwise: tell the collector what was counted, once a second
  --collector HOST:PORT            where the witness reports
  --tls-ca FILE                    authority of the collector's certificate, PEM
  --tls-cert FILE, --tls-key FILE  the witness's own certificate and key, where the collector wants one
  --allow-plaintext                report without TLS
`;

const OPTIONS = {
  listen: { type: "string" },
  "key-file": { type: "string" },
  "max-per-source-per-second": { type: "string" },
  share: { type: "string" },
  "print-rules": { type: "boolean" },
  witness: { type: "string" },
  collector: { type: "string" },
  "tls-ca": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "allow-plaintext": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = Exclude<ReturnType<typeof parse>, string>;

/** A flag that is wrong; found by its class, and told in one line. */
class FlagError extends Error {}

/** Reads the arguments after the program's name. Never throws. */
export function parseFlags(args: readonly string[]): ParsedFlags {
  const parsed = parse(args);
  if (typeof parsed === "string") return { kind: "bad", message: parsed };
  if (parsed.help === true) return { kind: "help" };
  try {
    return parsed["print-rules"] === true ? rulesOf(parsed) : runOf(parsed);
  } catch (error) {
    if (error instanceof FlagError) return { kind: "bad", message: error.message };
    throw error;
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // parseArgs says which flag and what is wrong with it, and nothing more can be said.
    return error instanceof Error ? error.message : String(error);
  }
}

function rulesOf(values: Values): ParsedFlags {
  const port = readPort("--share", values.share ?? "");
  const witness = values.witness === undefined ? undefined : readPort("--witness", values.witness);
  if (witness !== undefined && witness !== port) {
    throw new FlagError(`--witness: ${witness} is not ${port}, the shared port; the rules are for one port`);
  }
  const { port: reflectorPort } = parseListen(values.listen ?? `[::]:${STAMP_PORT}`);
  if (reflectorPort === 0 || reflectorPort === port) {
    throw new FlagError(`--listen: port ${reflectorPort} cannot be redirected to; want a fixed one beside ${port}`);
  }
  return { kind: "rules", share: { port, reflectorPort, witness: witness !== undefined } };
}

function runOf(values: Values): ParsedFlags {
  if (values.share !== undefined) {
    throw new FlagError(`--share: ${values.share} needs --print-rules beside it; load what it prints with nft -f -`);
  }
  const limit = values["max-per-source-per-second"] ?? String(MAX_PER_SOURCE_PER_SECOND);
  if (!/^[1-9]\d{0,6}$/.test(limit)) {
    throw new FlagError(`--max-per-source-per-second: ${limit} is not a whole number from 1 to 9999999`);
  }
  const listen = parseListen(values.listen ?? `[::]:${STAMP_PORT}`);
  const keyFile = values["key-file"];
  return {
    kind: "run",
    flags: { ...listen, keyFile, maxPerSourcePerSecond: Number(limit), witness: witnessOf(values) },
  };
}

/** Flags that mean something to a witness alone. */
const WITNESS_FLAGS = ["collector", "tls-ca", "tls-cert", "tls-key", "allow-plaintext"] as const;

function witnessOf(values: Values): WitnessFlags | undefined {
  if (values.witness === undefined) {
    const stray = WITNESS_FLAGS.find((flag) => values[flag] !== undefined);
    if (stray !== undefined) throw new FlagError(`--${stray}: is for a witness; want --witness PORT beside it`);
    return undefined;
  }
  const port = readPort("--witness", values.witness);
  const { collector } = values;
  if (collector === undefined || !/^(\[[0-9a-fA-F:]+\]|[^:\s[\]]+):\d{1,5}$/.test(collector)) {
    throw new FlagError(
      `--collector: ${collector ?? "nothing"} is not HOST:PORT, such as collector.example.internal:9470`,
    );
  }
  return { port, collector, tls: tlsOf(values) };
}

function tlsOf(values: Values): WitnessFlags["tls"] {
  const { "tls-ca": caFile, "tls-cert": certFile, "tls-key": keyFile } = values;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new FlagError("--tls-cert and --tls-key: got one of them, want both or none");
  }
  if (caFile !== undefined) return { caFile, certFile, keyFile };
  if (certFile !== undefined) throw new FlagError("--tls-cert: got it without --tls-ca, the collector's authority");
  if (values["allow-plaintext"] === true) return undefined;
  throw new FlagError("--tls-ca: nothing given; want the collector's authority, or --allow-plaintext");
}

function readPort(flag: string, text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new FlagError(`${flag}: ${text === "" ? "nothing" : text} is not a port from 1 to 65535`);
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[^:]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const host = match?.["six"] ?? match?.["four"] ?? "";
  const port = Number(match?.["port"]);
  const family = match?.["six"] === undefined ? 4 : 6;
  if (match === undefined || isIP(host) !== family || port > 65_535) {
    throw new FlagError(`--listen: ${text} is not ADDRESS:PORT, such as 192.0.2.1:${STAMP_PORT} or [::]:${STAMP_PORT}`);
  }
  return { host, port };
}
