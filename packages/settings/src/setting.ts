/** How a program declares its settings: one table, from which reading, `--help`, errors and the guide's tables come. */
import type { SettingType } from "./setting-type.ts";

/** One setting. Its name in the table is its key in the YAML file; a dot stands for a nested mapping. */
export interface Setting<T = unknown> {
  /** Without dashes; absent: it has no flag. */
  readonly flag?: string;
  /** The environment variable; absent: it has none. */
  readonly variable?: string;
  readonly type: SettingType<T>;
  /** As a YAML file would hold it; absent: the setting is undefined when it is not given. */
  readonly default?: string | number | boolean | readonly string[];
  /** It must be given. */
  readonly required?: true;
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

/** The flag that names the YAML file. */
export const CONFIG_FLAG = "config";

/** The variable that names the YAML file. */
export const CONFIG_VARIABLE = "LIFELINE_CONFIG";

/** The names under which a person can give a setting, nearest first: `--node-id`, `LIFELINE_NODE_ID`, `nodeId`. */
export function namesOf({ file }: Program, key: string, { flag, variable }: Setting): readonly string[] {
  return [flag && `--${flag}`, variable, file && key].flatMap((name) => name || []);
}
