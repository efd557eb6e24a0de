/** The command line of `npm run field`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
export interface Arguments {
  /** Shell-style pattern on the names of cases; undefined: all. */
  readonly only: string | undefined;
  readonly list: boolean;
  readonly json: boolean;
}

const SETTINGS = {
  only: {
    type: kind.text((text) => text || undefined, "a name or a pattern", "CASE"),
    help: "only cases whose name matches, such as '07-*'",
  },
  list: { type: kind.boolean, default: false, help: "prints the cases, and plays none" },
  json: { type: kind.boolean, default: false, help: "prints an array of {case, expected, reported, right}" },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run field",
  summary: "plays faults that sites reported, each in two network namespaces, and compares what Lifeline says of them",
  settings: SETTINGS,
  notes: `Each case runs \`lifeline check\` on a node, and an agent with a collector. Needs root, iproute2 and nftables.

exit codes: 0 all right; 1 one is wrong; 2 wrong arguments; 126 the cases cannot run here
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, ({ values: { only, list, json } }) => ({ only, list, json }));
}
