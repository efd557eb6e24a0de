/** What is wrong with settings and with the files they name: one format for every program. */

/** What kind of problem it is: stable, to branch on. */
export const PROBLEM_CODES = [
  "unreadable",
  "too-large",
  "syntax",
  "unknown-key",
  "bad-flag",
  "unknown-variable",
  "missing",
  "bad-value",
  "contradiction",
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** One thing that is wrong. It holds no secret (S1). */
export interface Problem {
  readonly code: ProblemCode;
  /** In the form of {@link problemLine}. */
  readonly line: string;
}

/**
 * One line: `agent.yaml: spool.maxBytes: got 1, want an integer from 8388608 to 17179869184 bytes`.
 *
 * @param at source and field, such as `agent.yaml: spool.maxBytes`, `LIFELINE_ROLES: roles[0]` or `--listen`.
 * @param got what was found, see {@link shownValue}; undefined: it may be a secret.
 * @param want the wanted value.
 */
export function problemLine(at: string, got: string | undefined, want: string): string {
  return got === undefined ? `${at}: want ${want}` : `${at}: got ${got}, want ${want}`;
}

/** A problem with the line that {@link problemLine} makes. */
export function problem(code: ProblemCode, at: string, got: string | undefined, want: string): Problem {
  return { code, line: problemLine(at, got, want) };
}

/** A program cannot run with these settings. The message has a line for each problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** The code of the first problem. */
  readonly code: ProblemCode;
  readonly problems: readonly Problem[];

  constructor(first: Problem, ...others: readonly Problem[]) {
    super([first, ...others].map(({ line }) => line).join("\n"));
    this.code = first.code;
    this.problems = [first, ...others];
  }
}

/** Throws a {@link ConfigError} when there is any problem. */
export function refuseProblems([first, ...others]: readonly Problem[]): void {
  if (first !== undefined) throw new ConfigError(first, ...others);
}

/** Longest value quoted back, characters. */
const SHOWN_MAX_CHARS = 80;

/** A value as errors show it: on one line, shortened, and without the credentials of a URL (S1). */
export function shownValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.replace(/\/\/[^/@]*@/g, "//…@")).slice(0, SHOWN_MAX_CHARS);
}

const SCALAR_KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  bigint: "a number",
  boolean: "a boolean",
};

/** What a whole file is, without its value: a file that is only a text or a number may be one with a secret (S1). */
export function shownKind(value: unknown): string {
  return SCALAR_KINDS[typeof value] ?? shownValue(value);
}

/** The system's code of a failed call, such as ENOENT; `unknown` when the error has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
