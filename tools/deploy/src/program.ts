/** The flags and variables of a program, from its own `--help`. */
import { AGENT_PROGRAM } from "@lifeline/agent";
import { COLLECTOR_PROGRAM } from "@lifeline/collector";
import { REFLECTOR_PROGRAM } from "@lifeline/reflector";
import { helpText } from "@lifeline/settings";

/** The programs that deployments start. */
export type ProgramName = "collector" | "agent" | "reflector";

/** What a program reads from its command line and its environment. */
export interface ProgramSettings {
  /** `--config`, … */
  readonly flags: ReadonlySet<string>;
  /** `LIFELINE_…` */
  readonly variables: ReadonlySet<string>;
}

const PROGRAMS = { agent: AGENT_PROGRAM, collector: COLLECTOR_PROGRAM, reflector: REFLECTOR_PROGRAM } as const;

/** The settings of a program, from its `--help`. */
export function settingsOf(name: ProgramName): ProgramSettings {
  const help = helpText(PROGRAMS[name]);
  const words = (pattern: RegExp) => new Set(help.match(pattern) ?? []);
  return { flags: words(/(?<![\w-])--[a-z][a-z-]*/g), variables: words(/\bLIFELINE_[A-Z_]+\b/g) };
}

/** The flags of a command line: words that begin with two dashes, without their values. */
export function flagsOf(words: readonly string[]): readonly string[] {
  return words.filter((word) => word.startsWith("--")).map((word) => word.split("=", 1)[0] ?? "");
}
