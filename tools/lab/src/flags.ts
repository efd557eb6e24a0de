/** Strict command-line flags: `--name value` or `--name=value`, and nothing that was not declared. Pure. */

import { parseArgs } from "node:util";
import { LabError } from "./lab-error.ts";
import { shown } from "./listener-fault.ts";

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
export function readFlags(args: readonly string[], rules: FlagRules): Flags {
  const options = Object.fromEntries(rules.names.map((name) => [name, { type: "string" as const, multiple: true }]));
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    if (!rules.names.includes(name)) {
      const expected = rules.names.map((known) => `--${known}`).join(", ");
      throw new LabError("bad-input", `${rawName}: unknown flag; expected ${expected}`);
    }
    if (value === undefined || value === "" || (token.inlineValue === false && value.startsWith("--"))) {
      throw new LabError("bad-input", `${rawName}: needs a value`);
    }
    const given = values.get(name) ?? [];
    if (given.length > 0 && rules.repeatable?.includes(name) !== true) {
      throw new LabError("bad-input", `${rawName}: given more than once`);
    }
    values.set(name, [...given, value]);
  }
  return { values, positionals };
}

/** Reads a TCP or UDP port, 0–65535. Throws `bad-input`. */
export function readPort(flag: string, value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value);
  throw new LabError("bad-input", `${flag}: ${shown(value)} is not a port; expected a whole number from 0 to 65535`);
}
