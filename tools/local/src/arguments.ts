/** The command line of `npm start`. Pure. */
import { parseArgs } from "node:util";

export interface Arguments {
  /** Measure for a while, print once, exit by the verdicts. */
  readonly once: boolean;
  /** How long `once` measures, s; 1–3,600, default 10. */
  readonly seconds: number;
  /** Print one JSON object; implies `once`. */
  readonly json: boolean;
  /** Also print rows that do not apply, and more columns. */
  readonly wide: boolean;
  /** Shell-style pattern on requirement ids. */
  readonly only: string | undefined;
  /** The real Omni instead of the stand-in. */
  readonly omni: RealOmni | undefined;
  /** Directory that keeps the state; undefined: a temporary one, removed at the end. */
  readonly stateDir: string | undefined;
  /** Delay between an unexpected exit of a program and its restart, s; 0–3,600, default 2. */
  readonly restartAfterSeconds: number;
  readonly help: boolean;
}

/** The endpoints of a real Omni, as the flags name them. The catalogue validates them. */
export interface RealOmni {
  readonly api: string;
  readonly machineApi: string | undefined;
  readonly siderolink: readonly string[];
  readonly caFile: string | undefined;
}

/** A wrong command line. */
export class UsageError extends Error {
  readonly code = "usage";
}

/** What `--help` prints. */
export const USAGE = `npm start -- [OPTION ...]

Runs a collector and an agent on this machine and shows what it can reach. Without options it
measures the public domains that an Omni host needs, and a stand-in Omni on loopback, which
is labelled lab.

  --once                 measure, print once and exit: 0 every required row is met, 1 one is
                         not, 2 wrong usage or configuration
  --seconds N            how long --once measures (default 10)
  --json                 print one JSON object; implies --once
  --only PATTERN         only requirements whose id matches, such as 'machine-api' or 'node-*'
  --wide                 rows that do not apply, and more columns
  --omni URL             measure this Omni instead of the stand-in
  --siderolink HOST:PORT its WireGuard endpoint; may be given more than once
  --machine-api URL      its Machine API, when it is not where the API's address suggests
  --ca-file FILE         CA certificate of the Omni, when the CA is private
  --state-dir DIR        keep spool and store here (default: a temporary directory)
  --restart-after N      seconds before a program that exited is started again (default 2)

Examples
  npm start
  npm start -- --once --json | jq '.rows[] | select(.verdict != "met")'
  npm start -- --omni https://acme.omni.siderolabs.io --siderolink acme.omni.siderolabs.io:10001
`;

const OPTIONS = {
  once: { type: "boolean" },
  seconds: { type: "string" },
  json: { type: "boolean" },
  wide: { type: "boolean" },
  only: { type: "string" },
  omni: { type: "string" },
  siderolink: { type: "string", multiple: true },
  "machine-api": { type: "string" },
  "ca-file": { type: "string" },
  "state-dir": { type: "string" },
  "restart-after": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the arguments. Throws {@link UsageError} with the flag, its value and what would be right. */
export function readArguments(args: readonly string[]): Arguments {
  const { values, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) refuseToken(token);
  const text = (flag: keyof typeof OPTIONS) => {
    const value = values[flag];
    return typeof value === "string" ? value : undefined;
  };
  const json = values.json === true;
  return {
    once: values.once === true || json,
    seconds: seconds("--seconds", text("seconds") ?? "10", 1),
    json,
    wide: values.wide === true,
    only: text("only"),
    omni: readOmni(text, (values.siderolink ?? []) as string[]),
    stateDir: text("state-dir"),
    restartAfterSeconds: seconds("--restart-after", text("restart-after") ?? "2", 0),
    help: values.help === true,
  };
}

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];

function refuseToken(token: Token): void {
  if (token.kind === "positional")
    throw new UsageError(`"${token.value}": unexpected argument; want options only (see --help)`);
  if (token.kind !== "option") return;
  if (!Object.hasOwn(OPTIONS, token.name))
    throw new UsageError(`${token.rawName}: unknown option; want one of ${flagNames()}`);
  const { type } = OPTIONS[token.name as keyof typeof OPTIONS];
  const given = token.value;
  if (type === "boolean" && given !== undefined)
    throw new UsageError(`${token.rawName}: got "${given}", want no value`);
  if (type === "string" && (given === undefined || given === "" || (!token.inlineValue && given.startsWith("-")))) {
    throw new UsageError(`${token.rawName}: got no value, want one after it`);
  }
}

function flagNames(): string {
  return Object.keys(OPTIONS)
    .map((name) => `--${name}`)
    .join(", ");
}

function seconds(flag: string, value: string, least: number): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < least || number > 3_600) {
    throw new UsageError(`${flag}: got "${value}", want a whole number of seconds from ${least} to 3600`);
  }
  return number;
}

function readOmni(
  text: (flag: keyof typeof OPTIONS) => string | undefined,
  siderolink: readonly string[],
): RealOmni | undefined {
  const api = text("omni");
  if (api !== undefined) return { api, machineApi: text("machine-api"), siderolink, caFile: text("ca-file") };
  for (const flag of ["machine-api", "ca-file"] as const) {
    if (text(flag) !== undefined)
      throw new UsageError(`--${flag}: got "${text(flag)}" without --omni; want --omni URL with it`);
  }
  if (siderolink[0] !== undefined)
    throw new UsageError(`--siderolink: got "${siderolink[0]}" without --omni; want --omni URL with it`);
  return undefined;
}
