/** A program's settings, read from all sources: a flag overrides a variable, which overrides the YAML file. */
import { statSync } from "node:fs";
import { LIFELINE_VERSION } from "@lifeline/measure";
import * as v from "valibot";
import { errorCode, type Problem, problem, refuseProblems } from "./config-error.ts";
import { readText } from "./document.ts";
import { helpText } from "./help.ts";
import { issueProblem, placeName } from "./schema.ts";
import { CONFIG, listOfNames, type PlainValuesOf, type Program, type Settings, type ValuesOf } from "./setting.ts";
import {
  type AllGiven,
  addEnvironment,
  addFile,
  addFlags,
  CONFIG_MAX_CHARS,
  type Environment,
  type Given,
  innerKeys,
  readFlags,
} from "./sources.ts";

/** What the command line gives: a configuration to run with, or a text to print. */
export type Command<Config> =
  | { readonly kind: "run"; readonly config: Config }
  | { readonly kind: "print"; readonly text: string };

/**
 * Reads all sources; `complete` makes the configuration of what was given. Throws a ConfigError with every problem of
 * the values, else with every contradiction between them; for wrong flags, or a file that is no YAML mapping, with that
 * problem alone.
 */
export function readCommand<const S extends Settings, Config>(
  program: Program<S>,
  args: readonly string[],
  environment: Environment,
  complete: (given: GivenSettings<S>) => Config,
): Command<Config> {
  const flags = readFlags(program, args);
  if (flags.help === true) return { kind: "print", text: helpText(program) };
  if (flags.version === true) return { kind: "print", text: `${LIFELINE_VERSION}\n` };
  const all: AllGiven = { given: new Map(), problems: [] };
  const { [CONFIG.flag]: named = environment[CONFIG.variable] || existing(program.file?.path) } = flags;
  if (program.file !== undefined && typeof named === "string") {
    addFile(program, named, readText(named, CONFIG_MAX_CHARS), all);
  }
  addEnvironment(program, environment, all);
  addFlags(program, flags, all);
  return { kind: "run", config: complete(new GivenSettings(program, all)) };
}

/** The settings of a YAML file's text, under those of an environment. Throws as {@link readCommand} does. */
export function readFileText<const S extends Settings>(
  program: Program<S>,
  file: string,
  text: string,
  environment: Environment = {},
): GivenSettings<S> {
  const all: AllGiven = { given: new Map(), problems: [] };
  addFile(program, file, text, all);
  addEnvironment(program, environment, all);
  return new GivenSettings(program, all);
}

/**
 * `path` where a file is. Talos makes a directory of a mount's missing source. What cannot be looked at counts: reading
 * it then says why.
 */
function existing(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return statSync(path).isFile() ? path : undefined;
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes(errorCode(error)) ? undefined : path;
  }
}

/** Values of a nested mapping. */
type SectionOf<S extends Settings, P extends string, N extends string> = {
  readonly [K in N]: NonNullable<ValuesOf<S>[`${P}.${K}` & keyof S]>;
};

/**
 * The values, and where each came from. Contradictions between them are collected, and thrown by {@link
 * GivenSettings.check}.
 */
export class GivenSettings<S extends Settings> {
  /** Each is right by itself. */
  readonly values: ValuesOf<S>;
  readonly #program: Program<S>;
  readonly #given: ReadonlyMap<string, Given>;
  readonly #problems: Problem[] = [];

  /** Throws a ConfigError with `problems`, and those of the values. */
  constructor(program: Program<S>, { given, problems }: AllGiven) {
    this.#program = program;
    this.#given = given;
    const values = Object.entries(program.settings).map(([key, setting]) => {
      const input = given.get(key)?.value ?? (given.has(key) ? null : setting.default);
      if (input === undefined) {
        if (setting.required === true) problems.push(this.#missing(key, ""));
        return [key, undefined];
      }
      const result = v.safeParse(setting.type.schema, input);
      if (result.success) return [key, result.output];
      const [source, field] = this.#placeOf(key);
      problems.push(issueProblem(result.issues[0], source, field));
      return [key, undefined];
    });
    refuseProblems(problems);
    this.values = Object.fromEntries(values) as ValuesOf<S>;
  }

  /** Those of keys without a dot. */
  get plainValues(): PlainValuesOf<S> {
    const entries = Object.entries(this.values).filter(([key]) => !key.includes("."));
    return Object.fromEntries(entries) as PlainValuesOf<S>;
  }

  /** Whether a source gave it. */
  isGiven(key: keyof S & string): boolean {
    return this.#given.has(key);
  }

  /** Source and field of a setting, as errors name it. */
  at(key: keyof S & string): string {
    return placeName(...this.#placeOf(key));
  }

  /** Adds a contradiction. */
  refuse(key: keyof S & string, got: string, want: string): void {
    this.#problems.push(problem("contradiction", this.at(key), got, want));
  }

  /** `key` must be given where one of `others` is. */
  needs(key: keyof S & string, others: readonly (keyof S & string)[]): void {
    const other = others.find((candidate) => this.isGiven(candidate));
    if (other === undefined || this.isGiven(key)) return;
    this.#problems.push(this.#missing(key, `, because ${this.at(other)} is given`));
  }

  /**
   * The values of `section` by name: all of `names` must be given, or none, which is undefined. Where the section has
   * no other key, an empty mapping in the file asks for all of them.
   */
  allOf<P extends string, N extends string>(section: P, names: readonly N[]): SectionOf<S, P, N> | undefined {
    const keys = names.map((name) => `${section}.${name}`);
    const hasOthers = innerKeys(this.#program, section).length > names.length;
    for (const key of keys) this.needs(key, hasOthers ? keys : [section, ...keys]);
    if (!keys.every((key) => this.isGiven(key))) return undefined;
    const entries = names.map((name) => [name, this.values[`${section}.${name}`]]);
    return Object.fromEntries(entries) as SectionOf<S, P, N>;
  }

  /** Throws a ConfigError with every contradiction. */
  check(): void {
    refuseProblems(this.#problems);
  }

  #missing(key: string, because: string): Problem {
    const placeholder = this.#program.settings[key]?.type.placeholder || "it";
    const want = `${placeholder} (${listOfNames(this.#program, key).join(", ")})${because}`;
    return problem("missing", this.at(key), "nothing", want);
  }

  #placeOf(key: string): readonly [source: string, field: string] {
    const source = this.#given.get(key)?.source;
    if (this.#program.file === undefined) return ["", listOfNames(this.#program, key)[0] ?? key];
    return source === undefined ? [key, ""] : [source, key];
  }
}
