/** What a program of Lifeline's says it can be told: its own `--help` is the table. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./place.ts";

/** The programs that deployments start. */
export type ProgramName = "collector" | "agent" | "reflector";

/** What may stand on a program's command line and in its environment. */
export interface ProgramSettings {
  /** `--config`, … */
  readonly flags: ReadonlySet<string>;
  /** `LIFELINE_…` */
  readonly variables: ReadonlySet<string>;
}

/** Asks a program, from its source. Throws when it does not end with 0. */
export function settingsOf(name: ProgramName): ProgramSettings {
  const main = join(ROOT, "apps", name, "src/main.ts");
  const help = execFileSync(process.execPath, ["--conditions=lifeline:source", main, "--help"], { encoding: "utf8" });
  const words = (pattern: RegExp) => new Set(help.match(pattern) ?? []);
  return { flags: words(/(?<![\w-])--[a-z][a-z-]*/g), variables: words(/\bLIFELINE_[A-Z_]+\b/g) };
}

/** The flags of a command line: words that begin with two dashes, without their values. */
export function flagsOf(words: readonly string[]): readonly string[] {
  return words.filter((word) => word.startsWith("--")).map((word) => word.split("=", 1)[0] ?? "");
}
