/** The command line of `npm run attack`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";
import { ATTACKS } from "./attacks.ts";
import { LIMITS, TIMES_USUAL_MAX } from "./play.ts";

/** The parsed command line. */
export interface Arguments {
  /** Names of attacks; default all. */
  readonly only: readonly string[];
  /** How long each flood lasts, 1 to 600; default 5. */
  readonly seconds: number;
  readonly json: boolean;
}

const NAMES = ATTACKS.map(({ name }) => name) as [string, ...string[]];

const SETTINGS = {
  only: {
    type: kind.list(kind.word(NAMES, "NAME"), NAMES.length, "attacks", 1),
    help: `attacks, each with a flag of its own (default: all): ${NAMES.join(", ")}`,
  },
  seconds: {
    type: kind.integer(1, 600, "seconds"),
    default: 5,
    help: "how long each flood lasts; a flood against a deadline lasts longer than the deadline",
  },
  json: { type: kind.boolean, default: false, help: "prints one JSON array on stdout" },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run attack",
  summary: "plays the attacks of docs/security.md on the shipped programs, with honest nodes beside them",
  settings: SETTINGS,
  notes: `All traffic is real, on loopback. The collector runs in a memory cgroup of 2 GiB where this machine allows one (root).
An attack is held when it achieves nothing, costs no restart and less than ${LIMITS.peakRssMb} MB, an honest report is acknowledged
within ${LIMITS.ackP99Ms} ms (p99), and an honest node is admitted within ${LIMITS.admitMs} ms. On a busy machine both may take as many times
longer as the collector had to wait for a processor, and ${TIMES_USUAL_MAX} times as long as just before the attack.

exit codes: 0 every attack was held or skipped; 1 one was not; 2 wrong arguments
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, ({ values }) => ({ ...values, only: values.only ?? NAMES }));
}
