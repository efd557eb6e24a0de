/** Where settings are written: a file, the environment, flags. What is wrong with a place is a problem like any; all are told at once. */
import { readFileSync } from "node:fs";
import { basename, dirname, resolve as resolvePath } from "node:path";
import { parseArgs } from "node:util";
import { CatalogueError, parseYaml, problemLine } from "@lifeline/catalogue";
import { ConfigError } from "./config-error.ts";
import { FILE_KEYS, KEYS, type Key, keysOf, LIST_SEPARATORS, SECTIONS, SETTINGS } from "./settings.ts";

/** Largest configuration file, characters: some hundred times what a full one takes. */
const MAX_CONFIG_CHARS = 65_536;
/** Most problems told of one file: more than anyone mends at once. */
const PROBLEMS_MAX = 20;

/** A setting as it was written. */
export interface Written {
  /** Where it was written, as problems name it. */
  readonly source: string;
  readonly value: unknown;
}
/** Settings as they were written; of two places the later. */
export type AllWritten = Map<Key, Written>;

/** The settings that flags give, and the file that `--config` names. Throws a ConfigError for flags that are none. */
export function readFlags(args: readonly string[]): { config: string | undefined; values: Map<Key, unknown> } {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean }> = { config: { type: "string" } };
  for (const key of KEYS) {
    const type = key === "allowPlaintext" ? "boolean" : "string";
    options[SETTINGS[key].flag] = { type, multiple: LIST_SEPARATORS.has(key) };
  }
  const values = parsedFlags(args, options);
  const config = typeof values.config === "string" ? values.config : undefined;
  return { config, values: new Map(KEYS.map((key) => [key, values[SETTINGS[key].flag]])) };
}

function parsedFlags(
  args: readonly string[],
  options: Record<string, { type: "string" | "boolean"; multiple?: boolean }>,
): Readonly<Record<string, unknown>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new ConfigError([`flags: ${error.message.split(". ", 1)[0]}; want some of ${known.join(", ")}`]);
  }
}

/** Reads the settings of an environment. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>, written: AllWritten): void {
  for (const key of KEYS) {
    const { env: variable } = SETTINGS[key];
    const text = env[variable];
    if (text === undefined) continue;
    const separator = LIST_SEPARATORS.get(key);
    const value = separator === undefined ? text : text.split(separator);
    written.set(key, { source: `environment: ${variable}`, value });
  }
}

/** Reads the settings of a file. */
export function readFile(file: string, written: AllWritten, problems: string[]): void {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    problems.push(`config: got ${JSON.stringify(file)} (${String(error.code)}), want a file that can be read`);
    return;
  }
  readText(file, text, written, problems);
}

/** What a file says, by its text: `file` names it and is where its paths are relative to. */
export function readText(file: string, text: string, written: AllWritten, problems: string[]): void {
  const name = basename(file);
  if (text.length > MAX_CONFIG_CHARS) {
    problems.push(`${name}: got ${text.length} characters, want at most ${MAX_CONFIG_CHARS}`);
    return;
  }
  try {
    collect(name, dirname(file), parseYaml(name, text), written, problems);
  } catch (error) {
    if (!(error instanceof CatalogueError)) throw error;
    problems.push(...error.problems.slice(0, PROBLEMS_MAX).map(problemLine));
  }
}

function collect(name: string, directory: string, content: unknown, written: AllWritten, problems: string[]): void {
  if (content === null) return;
  if (!isMapping(content)) {
    problems.push(`${name}: got ${shown(content)}, want a mapping of settings`);
    return;
  }
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(content)) {
    if (!SECTIONS.some((section) => section === key)) flat.set(key, value);
    else if (isMapping(value))
      for (const [inner, setting] of Object.entries(value)) flat.set(`${key}.${inner}`, setting);
    else problems.push(`${name}: ${key}: got ${shown(value)}, want a mapping with ${keysOf(key)}`);
  }
  for (const [key, value] of flat) {
    const known = KEYS.find((candidate) => candidate === key);
    if (known === undefined) problems.push(`${name}: ${key}: got an unknown key, want one of ${KEYS.join(", ")}`);
    else
      written.set(known, {
        source: `${name}: ${key}`,
        value: FILE_KEYS.includes(known) ? beside(directory, value) : value,
      });
  }
}

/** A file named in the configuration file is relative to it. */
function beside(directory: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry: unknown) => beside(directory, entry));
  return typeof value === "string" && value !== "" ? resolvePath(directory, value) : value;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as errors show it. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  return JSON.stringify(value)?.slice(0, 80) ?? "nothing";
}
