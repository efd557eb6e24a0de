/** The command line of `npm run crash`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
export interface Arguments {
  /** 1 to 100,000; default 200. */
  readonly rounds: number;
  /** 0 to 4,294,967,295; undefined: one is drawn. */
  readonly seed: number | undefined;
  readonly json: boolean;
}

const SETTINGS = {
  rounds: { type: kind.integer(1, 100_000, "rounds"), default: 200, help: "rounds to play" },
  seed: { type: kind.integer(0, 0xffff_ffff, ""), help: "the same seed plays the same faults (default: a random one)" },
  json: { type: kind.boolean, default: false, help: "prints one JSON object on stdout" },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run crash",
  summary: "checks that no report is lost or counted twice, whatever happens to agent and collector",
  settings: SETTINGS,
  notes: `Each round kills the agent or the collector, cuts or slows the connection between them, fills a disk, or shifts a clock.
At the end, what the agent had on its disk is compared with what the collector holds. Then nodes enrol, one for each five
rounds, with kills and cuts in between: each must get its certificate with one use of its token.

Disks are filled only as root, on a small tmpfs in a mount namespace of this run.

exit codes: 0 nothing lost, nothing counted twice and every node enrolled; 1 otherwise; 2 wrong arguments
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, ({ values }) => values);
}
