/** The flags and variables of a program, from its own `--help`. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./repository.ts";

/** The programs that deployments start. */
export type ProgramName = "collector" | "agent" | "reflector";

/** What a program reads from its command line and its environment. */
export interface ProgramSettings {
  /** `--config`, … */
  readonly flags: ReadonlySet<string>;
  /** `LIFELINE_…` */
  readonly variables: ReadonlySet<string>;
}

/** Runs the `--help` of a program, from its source. Throws when it fails. */
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
