/** What is wrong with a printed command of this project, by the help of the program that it starts. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { flagsOf, type ProgramName, settingsOf } from "./program.ts";
import { ROOT } from "./repository.ts";

/** npm scripts that only hand their arguments on, and the program that reads them. */
const SCRIPTS: Readonly<Record<string, string>> = {
  start: "tools/local/src/main.ts",
  bench: "tools/bench/src/main.ts",
  crash: "tools/crash/src/main.ts",
  fuzz: "tools/fuzz/src/main.ts",
  lab: "tools/drill/src/main.ts",
  attack: "tools/attack/src/main.ts",
  fault: "tools/lab/src/fault-command.ts",
  soak: "tools/soak/src/main.ts",
  extension: "tools/extension/src/main.ts",
  "extension:verify": "tools/extension/src/verify/main.ts",
};

/** vitest's flags that this project's documents use (vitest.dev/guide/cli). */
const VITEST_FLAGS = ["--project"];

/** Undefined: the command exists and has the flags that are printed. */
export function ownProblem([program = "", ...words]: readonly string[]): string | undefined {
  const known = knownFlags(program, words);
  if (known === undefined) return `${program}: no such command`;
  const unknown = flagsOf(words).filter((flag) => !["--", "--help"].includes(flag) && !known.includes(flag));
  return unknown.length === 0 ? undefined : `${program}: has no ${unknown.join(", ")}`;
}

function knownFlags(program: string, words: readonly string[]): readonly string[] | undefined {
  if (program === "lifeline") return cliFlags(words);
  if (program === "node") return programFlags(words);
  return program === "npm" ? scriptFlags(words) : undefined;
}

/** The flags of a command of the CLI; undefined: there is no such command. */
function cliFlags(words: readonly string[]): readonly string[] | undefined {
  const end = words.findIndex((word) => !/^[a-z]+$/.test(word));
  const names = end < 0 ? words : words.slice(0, end);
  // A program of its own behind the CLI.
  if (names[0] === "reflector") return [...settingsOf("reflector").flags];
  const help = helpOf("apps/cli/src/main.ts", names);
  return help.startsWith(`Usage: lifeline ${names.join(" ")} `) ? flagsIn(help) : undefined;
}

/** The flags of an app that is started from its build. */
function programFlags([path = ""]: readonly string[]): readonly string[] | undefined {
  const [, name] = /^apps\/(agent|collector|reflector)\/dist\/main\.js$/.exec(path) ?? [];
  // The collector's other commands stand in its help too.
  if (name === "collector") return [...settingsOf(name).flags, ...flagsIn(helpOf(`apps/${name}/src/main.ts`, []))];
  return name === undefined ? undefined : [...settingsOf(name as ProgramName).flags];
}

/** The flags of an npm script. */
function scriptFlags(words: readonly string[]): readonly string[] | undefined {
  const script = (words[0] === "run" ? words[1] : words[0]) ?? "";
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object };
  if (!Object.hasOwn(scripts, script)) return undefined;
  if (script === "lifeline") return cliFlags(words.slice(words.indexOf("--") + 1));
  const main = SCRIPTS[script];
  if (main === undefined) return VITEST_FLAGS;
  // Each bench has flags of its own.
  return flagsIn(helpOf(main, script === "bench" ? words.slice(words.indexOf("--") + 1).slice(0, 1) : []));
}

const helps = new Map<string, string>();

/** What a program prints for `--help`, on either stream; each program is started once. */
function helpOf(main: string, names: readonly string[]): string {
  const args = ["--conditions=lifeline:source", join(ROOT, main), ...names, "--help"];
  const key = args.join(" ");
  const known = helps.get(key);
  if (known !== undefined) return known;
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  helps.set(key, stdout + stderr);
  return stdout + stderr;
}

const flagsIn = (help: string): readonly string[] => help.match(/--[a-z][a-z-]*/g) ?? [];
