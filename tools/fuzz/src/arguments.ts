/** The command line of `npm run fuzz`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
export interface Arguments {
  /** For each decoder, 1 to 1,000,000,000; default 100,000. */
  readonly inputs: number;
  /** 0 to 4,294,967,295; undefined: one is drawn. */
  readonly seed: number | undefined;
  /** Names of decoders; default all. */
  readonly only: readonly string[];
  readonly json: boolean;
}

type Names = readonly [string, ...string[]];

function settingsOf(names: Names) {
  return {
    inputs: { type: kind.integer(1, 1_000_000_000, "inputs"), default: 100_000, help: "inputs for each decoder" },
    seed: {
      type: kind.integer(0, 0xffff_ffff, ""),
      help: "the same seed draws the same inputs (default: a random one)",
    },
    only: {
      type: kind.list(kind.word(names, "NAME"), names.length, "decoders", 1),
      help: `decoders, each with a flag of its own (default: all): ${names.join(", ")}`,
    },
    json: { type: kind.boolean, default: false, help: "prints one JSON object on stdout" },
  } as const satisfies Settings;
}

/** The program, with the names of its decoders. */
function programOf(names: Names): Program<ReturnType<typeof settingsOf>> {
  return {
    name: "npm run fuzz",
    summary: "gives every decoder malformed inputs and checks that each is refused or decoded within its limits",
    settings: settingsOf(names),
    notes: `Inputs are mutations of valid ones that keep their structure, and random bytes. The first 40 and one in 1000 are oversized: a field
up to two million times, up to 4 MiB, deflate bombs, repeated pieces of documents. Their heap and time for each byte are
bounded and shown.

exit codes: 0 nothing found; 1 a failure, with its seed, index and input; 2 wrong arguments
`,
  };
}

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[], names: readonly string[]): Command<Arguments> {
  return readCommand(programOf(names as Names), args, {}, ({ values }) => ({ ...values, only: values.only ?? names }));
}
