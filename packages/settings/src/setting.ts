/** How a program declares its settings: one table, from which reading, `--help`, errors and the guide's tables come. */
import type { SettingType } from "./setting-type.ts";

/** One setting. Its name in the table is its key in the YAML file; a dot stands for a nested mapping. */
export interface Setting<T = unknown> {
  readonly type: SettingType<T>;
  /** As a YAML file would hold it; absent: the setting is undefined when it is not given. */
  readonly default?: string | number | boolean | readonly string[];
  /** It must be given. */
  readonly required?: true;
  /**
   * `tls-ca` makes the flag `--tls-ca` and the variable `LIFELINE_TLS_CA`. Default: the key in kebab case; empty: only
   * the file has it.
   */
  readonly name?: string;
  /** The flag where it is not `name`, such as the singular for a list. */
  readonly flag?: string;
  /** What it does, for `--help` and the guide. */
  readonly help: string;
}

/** A program's settings by key. */
export type Settings = Readonly<Record<string, Setting>>;

/** The values of a table of settings. */
export type ValuesOf<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends { readonly default: unknown } | { readonly required: true }
    ? TypeOf<S[K]>
    : TypeOf<S[K]> | undefined;
};
type TypeOf<S> = S extends { readonly type: SettingType<infer T> } ? T : never;

/** The values of the keys without a dot. */
export type PlainValuesOf<S extends Settings> = Omit<ValuesOf<S>, `${string}.${string}`>;

/** A program, as far as its settings go. */
export interface Program<S extends Settings = Settings> {
  /** What it is started as, such as `lifeline-agent`. */
  readonly name: string;
  /** What it does, in one line. */
  readonly summary: string;
  readonly settings: S;
  /** The YAML file; `path` is read where it exists and no other is named. Absent: the program has flags only. */
  readonly file?: { readonly path?: string };
  /** Variables that others read (secrets, proxies), each with what it holds. Their values are no settings (S1). */
  readonly otherVariables?: Readonly<Record<string, string>>;
  /** The end of `--help`: other commands, exit codes. */
  readonly notes: string;
}

/** The flag and the variable that name the YAML file. */
export const CONFIG = { flag: "config", variable: "LIFELINE_CONFIG" } as const;

/** How people write a setting; undefined: it has no such name. */
export interface SettingNames {
  /** Without dashes. */
  readonly flag: string | undefined;
  readonly variable: string | undefined;
  readonly key: string | undefined;
}

/** The names of the setting `key`. */
export function namesOf({ settings, file }: Program, key: string): SettingNames {
  const { name = key.replace(/\.|(?=[A-Z])/g, "-").toLowerCase(), flag = name } = settings[key] ?? {};
  const variable = file && name && `LIFELINE_${name.toUpperCase().replaceAll("-", "_")}`;
  return { flag: flag || undefined, variable: variable || undefined, key: file && key };
}

/** {@link namesOf} in a list: `--node-id`, `LIFELINE_NODE_ID`, `nodeId`. */
export function listOfNames(program: Program, key: string): readonly string[] {
  const { flag, variable, key: inFile } = namesOf(program, key);
  return [flag && `--${flag}`, variable, inFile].flatMap((name) => name || []);
}
