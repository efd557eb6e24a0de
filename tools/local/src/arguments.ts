/** The command line of `npm start`. Pure. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
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
}

/** The endpoints of a real Omni, as the flags name them. The catalogue validates them. */
export interface RealOmni {
  readonly api: string;
  readonly machineApi: string | undefined;
  readonly siderolink: readonly string[];
  readonly caFile: string | undefined;
}

/** Most WireGuard endpoints that a deployment may have. */
const SIDEROLINK_MAX = 16;

const any = (placeholder: string) => kind.text((text) => (text === "" ? undefined : text), "text", placeholder);

const SETTINGS = {
  once: {
    type: kind.boolean,
    default: false,
    help: "measures, prints once and exits: 0 every required row is met, 1 one is not, 2 wrong usage or configuration",
  },
  seconds: { type: kind.integer(1, 3_600, "seconds"), default: 10, help: "how long --once measures" },
  json: { type: kind.boolean, default: false, help: "prints one JSON object; implies --once" },
  only: {
    type: any("PATTERN"),
    help: "measures only requirements whose id matches, such as 'machine-api' or 'node-*'",
  },
  wide: { type: kind.boolean, default: false, help: "prints rows that do not apply, and more columns" },
  omni: { type: any("URL"), help: "measures this Omni instead of the stand-in" },
  siderolink: {
    type: kind.list(any("HOST:PORT"), SIDEROLINK_MAX, "endpoints"),
    help: "its WireGuard endpoints, each with a flag of its own",
  },
  machineApi: { type: any("URL"), help: "its Machine API, when it is not where the API's address suggests" },
  caFile: { type: kind.file, help: "CA certificate of the Omni, when the CA is private" },
  stateDir: { type: kind.path("DIR"), help: "keeps spool and store here (default: a temporary directory)" },
  restartAfter: {
    type: kind.integer(0, 3_600, "seconds"),
    default: 2,
    help: "time before a program that exited is started again",
  },
} as const satisfies Settings;

/** As `--help` prints it. */
export const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm start",
  summary: "runs a collector and an agent on this machine and shows what it can reach",
  settings: SETTINGS,
  notes: `Without flags it measures the public domains that an Omni host needs, and a stand-in Omni on loopback, which is labelled lab.

Examples
  npm start
  npm start -- --once --json | jq '.rows[] | select(.verdict != "met")'
  npm start -- --omni https://acme.omni.siderolabs.io --siderolink acme.omni.siderolabs.io:10001
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, (given) => {
    given.needs("omni", ["siderolink", "machineApi", "caFile"]);
    given.check();
    const { omni: api, siderolink = [], machineApi, caFile, restartAfter: restartAfterSeconds, ...rest } = given.values;
    const omni = api === undefined ? undefined : { api, machineApi, siderolink, caFile };
    return { ...rest, once: rest.once || rest.json, restartAfterSeconds, omni };
  });
}
