/** The command line of the reflector, as a value or as the one line that says what is wrong with it. */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { MAX_PER_SOURCE_PER_SECOND } from "./reflector.ts";

/** The STAMP port (RFC 8762 §4.1, IANA: 862 is the TWAMP-Test and STAMP receiver port). */
export const STAMP_PORT = 862;

/** What the reflector is asked to do. */
export interface Flags {
  readonly host: string;
  readonly port: number;
  readonly keyFile: string | undefined;
  readonly maxPerSourcePerSecond: number;
}

/** Parsed flags, the wish for help, or the fault. */
export type ParsedFlags =
  | { readonly kind: "run"; readonly flags: Flags }
  | { readonly kind: "help" }
  | { readonly kind: "bad"; readonly message: string };

/** What `--help` prints. */
export const USAGE = `Usage: lifeline-reflector [--listen HOST:PORT] [--key-file FILE] [--max-per-source-per-second N]

Answers STAMP test packets (RFC 8762), so that agents can measure UDP to this host.

  --listen HOST:PORT               address and UDP port; IPv6 in brackets (default [::]:${STAMP_PORT}, IPv4 as well)
  --key-file FILE                  answer only requests authenticated with the key in FILE (16 to 1024 bytes)
  --max-per-source-per-second N    requests answered for each source address (default ${MAX_PER_SOURCE_PER_SECOND})
`;

/** Reads the arguments after the program's name. Never throws. */
export function parseFlags(args: readonly string[]): ParsedFlags {
  const parsed = parse(args);
  if (typeof parsed === "string") return { kind: "bad", message: parsed };
  if (parsed.help === true) return { kind: "help" };
  const listen = parseListen(parsed.listen ?? `[::]:${STAMP_PORT}`);
  if (typeof listen === "string") return { kind: "bad", message: listen };
  const limit = parsed["max-per-source-per-second"] ?? String(MAX_PER_SOURCE_PER_SECOND);
  if (!/^[1-9]\d{0,6}$/.test(limit)) {
    return { kind: "bad", message: `--max-per-source-per-second: ${limit} is not a whole number from 1 to 9999999` };
  }
  return { kind: "run", flags: { ...listen, keyFile: parsed["key-file"], maxPerSourcePerSecond: Number(limit) } };
}

function parse(args: readonly string[]) {
  try {
    const options = {
      listen: { type: "string" },
      "key-file": { type: "string" },
      "max-per-source-per-second": { type: "string" },
      help: { type: "boolean", short: "h" },
    } as const;
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // parseArgs says which flag and what is wrong with it, and nothing more can be said.
    return error instanceof Error ? error.message : String(error);
  }
}

function parseListen(text: string): { host: string; port: number } | string {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[^:]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const host = match?.["six"] ?? match?.["four"] ?? "";
  const port = Number(match?.["port"]);
  const family = match?.["six"] === undefined ? 4 : 6;
  if (match === undefined || isIP(host) !== family || port > 65_535) {
    return `--listen: ${text} is not ADDRESS:PORT, such as 192.0.2.1:${STAMP_PORT} or [::]:${STAMP_PORT}`;
  }
  return { host, port };
}
