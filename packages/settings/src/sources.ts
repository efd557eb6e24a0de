/**
 * Where settings are given: a YAML file, the environment, flags. Each source adds to, and replaces, what the one before
 * gave.
 */
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ConfigError, type Problem, problem, shownKind, shownValue } from "./config-error.ts";
import { documentOf } from "./document.ts";
import { isKnownVariable } from "./known-variables.ts";
import { CONFIG, namesOf, type Program } from "./setting.ts";
import type { SettingType } from "./setting-type.ts";

/** Largest settings file, characters: some hundred times what a full one takes. */
export const CONFIG_MAX_CHARS = 65_536;

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting as it was given. */
export interface Given {
  /** The file, the variable or the flag. */
  readonly source: string;
  readonly value: unknown;
}

/** What was given, by key, and what is wrong with it so far. */
export interface AllGiven {
  /** An empty nested mapping is here under its own key, and gives no setting. */
  readonly given: Map<string, Given>;
  readonly problems: Problem[];
}

/** The values of the flags by name, without dashes. Throws a {@link ConfigError} `bad-flag`. */
export function readFlags(program: Program, args: readonly string[]): Readonly<Record<string, unknown>> {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean; short?: string }> = {
    help: { type: "boolean", short: "h" },
    version: { type: "boolean" },
  };
  if (program.file !== undefined) options[CONFIG.flag] = { type: "string" };
  for (const [key, { type }] of Object.entries(program.settings)) {
    const { flag } = namesOf(program, key);
    if (flag === undefined) continue;
    options[flag] = { type: type.placeholder === "" ? "boolean" : "string", multiple: type.separator !== undefined };
  }
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    if (!(error instanceof TypeError && "code" in error)) throw error;
    // Node's own words name the flag. They repeat an argument that is no flag, which may be a secret.
    const isStray = error.code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL";
    const got = isStray ? "an argument that is no flag" : (error.message.split(". ", 1)[0] ?? "");
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new ConfigError(problem("bad-flag", "command line", got, `some of ${known.join(", ")}`));
  }
}

/** Adds what flags give. */
export function addFlags(program: Program, flags: Readonly<Record<string, unknown>>, { given }: AllGiven): void {
  for (const [key, { type }] of Object.entries(program.settings)) {
    const { flag = "" } = namesOf(program, key);
    const value = Object.hasOwn(flags, flag) ? flags[flag] : undefined;
    if (value !== undefined) given.set(key, { source: `--${flag}`, value: ofTexts(type, value) });
  }
}

/**
 * Adds what variables give; an empty one counts as not set. A variable `LIFELINE_…` that no program knows is a problem.
 */
export function addEnvironment(program: Program, environment: Environment, { given, problems }: AllGiven): void {
  for (const [key, { type }] of Object.entries(program.settings)) {
    const { variable = "" } = namesOf(program, key);
    const text = environment[variable];
    if (text === undefined || text === "") continue;
    const texts = type.separator === undefined ? text : text.split(type.separator).map((entry) => entry.trim());
    given.set(key, { source: variable, value: ofTexts(type, texts) });
  }
  const known = variablesOf(program);
  const want = known.length === 0 ? "no variable: this program has flags only" : `one of ${known.join(", ")}`;
  for (const name of Object.keys(environment)) {
    if (!name.startsWith("LIFELINE_") || known.includes(name) || isKnownVariable(name)) continue;
    problems.push(problem("unknown-variable", name, "an unknown variable", want));
  }
}

function ofTexts(type: SettingType<unknown>, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry) => ofTexts(type, entry));
  return typeof value === "string" && type.ofText !== undefined ? type.ofText(value) : value;
}

/** The `LIFELINE_…` variables that a program knows. */
export function variablesOf(program: Program): readonly string[] {
  const own = Object.keys(program.settings).flatMap((key) => namesOf(program, key).variable ?? []);
  const others = Object.keys(program.otherVariables ?? {}).filter((name) => name.startsWith("LIFELINE_"));
  return [...(program.file === undefined ? [] : [CONFIG.variable]), ...own, ...others];
}

/** Adds what the text of a YAML file gives. Throws a {@link ConfigError} when it is no YAML or no mapping. */
export function addFile(program: Program, file: string, text: string, all: AllGiven): void {
  const content = documentOf(text, file, CONFIG_MAX_CHARS) ?? {};
  if (!isMapping(content)) {
    throw new ConfigError(problem("bad-value", file, shownKind(content), "a mapping of settings"));
  }
  for (const [key, value] of Object.entries(content)) {
    const inner = innerKeys(program, key);
    const isSection = inner.length > 0 && !Object.hasOwn(program.settings, key);
    if (inner.length > 0 && isMapping(value) && Object.keys(value).length > 0) {
      for (const [name, setting] of Object.entries(value)) add(`${key}.${name}`, setting);
    } else if (isSection && isMapping(value)) all.given.set(key, { source: file, value });
    else if (isSection) {
      const want = `a mapping with some of ${inner.join(", ")}`;
      all.problems.push(problem("bad-value", `${file}: ${key}`, shownValue(value), want));
    } else if (key.includes(".")) unknown(key);
    else add(key, value);
  }

  function add(key: string, value: unknown): void {
    const setting = Object.hasOwn(program.settings, key) ? program.settings[key] : undefined;
    if (setting === undefined) unknown(key);
    else all.given.set(key, { source: file, value: setting.type.isPath === true ? beside(file, value) : value });
  }

  function unknown(key: string): void {
    const want = `one of ${Object.keys(program.settings).join(", ")}`;
    all.problems.push(problem("unknown-key", `${file}: ${key}`, "an unknown key", want));
  }
}

/** The keys within a nested mapping. */
export function innerKeys({ settings }: Program, section: string): readonly string[] {
  return Object.keys(settings).flatMap((key) => (key.startsWith(`${section}.`) ? key.slice(section.length + 1) : []));
}

/** A path in a YAML file is relative to that file. */
function beside(file: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry: unknown) => beside(file, entry));
  return typeof value === "string" && value !== "" ? resolve(dirname(file), value) : value;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
