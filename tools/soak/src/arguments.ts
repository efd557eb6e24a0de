/** The command line of `npm run soak`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
export interface Arguments {
  /** 0.1 to 10,080 (a week); default 10. */
  readonly minutes: number;
  readonly json: boolean;
}

const minutes = kind.text(
  (text) => {
    const value = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    return value >= 0.1 && value <= 10_080 ? value : undefined;
  },
  "a number from 0.1 to 10080",
  "M",
);

const SETTINGS = {
  minutes: { type: minutes, default: "10", help: "how long it runs; Ctrl-C ends it earlier, with the figures so far" },
  json: { type: kind.boolean, default: false, help: "prints one JSON object with every reading" },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run soak",
  summary: "runs the shipped collector and agent under a load that makes a memory leak visible soon",
  settings: SETTINGS,
  notes: `Reads the memory of both every five seconds. Prints the least, median and greatest of each figure, and its growth in an hour
after the first third of the run (least squares, with a 95 % interval).

exit codes: 0 both programs ran to the end, whatever the figures; 1 one ended or did not start; 2 wrong arguments
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, ({ values }) => values);
}
