/** Strict command-line flags: `--name value` or `--name=value`, and nothing that was not declared. Pure. */
import { parseArgs } from "node:util";
import { LabError, reasonText } from "./lab-error.ts";

/** The flags of a command line. */
export interface Flags {
  /** Values per flag, in order; a flag not given has none. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/** Which flags there are. */
export interface FlagRules {
  readonly names: readonly string[];
  /** Flags that may be given more than once; default none. */
  readonly repeatable?: readonly string[];
}

/** Reads `args` (without node and script). Throws `bad-input` naming the flag and what would be right. */
export function readFlags(args: readonly string[], { names, repeatable = [] }: FlagRules): Flags {
  const { values, positionals } = parsed(args, names);
  for (const [name, given = []] of Object.entries(values)) {
    if (given.includes("")) throw new LabError("bad-input", `--${name}: needs a value`);
    if (given.length > 1 && !repeatable.includes(name)) {
      throw new LabError("bad-input", `--${name}: given more than once`);
    }
  }
  return { values: new Map(Object.entries(values).map(([name, given = []]) => [name, given])), positionals };
}

function parsed(args: readonly string[], names: readonly string[]) {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const, multiple: true as const }]));
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // Node's message names the flag.
    const expected = names.map((name) => `--${name}`).join(", ");
    throw new LabError("bad-input", `${reasonText(error)}; expected ${expected}`, { cause: error });
  }
}
