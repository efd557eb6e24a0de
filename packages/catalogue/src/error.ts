/**
 * Problems of a catalogue or a deployment file, with what its author needs to fix them.
 *
 * 1. All problems of a file are reported together.
 * 2. A problem names the file, the field, the value and what is expected.
 * 3. Messages leave out what may be secret: queries and credentials of URLs, values of unknown keys, and all but the
 *    first line of a text (S1).
 */

/** The kinds of problem. Stable; branch on these. */
export const PROBLEM_CODES = [
  "unreadable",
  "too-large",
  "syntax",
  "unknown-key",
  "missing-key",
  "bad-value",
  "duplicate-id",
  "unknown-version",
  "unknown-host",
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** One problem. */
export interface Problem {
  readonly code: ProblemCode;
  /** Name of the file, or of the source such as `command line`. */
  readonly file: string;
  /** The field, such as `requirements[3].port`; empty for the file as a whole. */
  readonly path: string;
  /** The wrong value as shown to people, already shortened and without secrets. */
  readonly value: string;
  /** What is expected instead. */
  readonly expected: string;
  /** Line in the file, from 1; only for syntax. */
  readonly line?: number;
  /** Column in the line, from 1; only for syntax. */
  readonly column?: number;
}

/** Most problems printed in an error's message. It counts the others, and `problems` holds them all. */
const PROBLEMS_SHOWN = 20;

/** Longest value shown in a message, in characters. */
const VALUE_SHOWN_CHARS = 80;

/** The one error of this package, thrown where files and command lines are read. */
export class CatalogueError extends Error {
  override readonly name = "CatalogueError";
  /** The code of the first problem. */
  readonly code: ProblemCode;
  /** All problems, in file order; never empty. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly [Problem, ...Problem[]]) {
    super(messageOf(problems));
    this.code = problems[0].code;
    this.problems = problems;
  }
}

/** Throws a {@link CatalogueError} if there is any problem. */
export function refuseProblems(problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first !== undefined) throw new CatalogueError([first, ...rest]);
}

/** One problem as one line: `omni-v1.13.yaml: requirements[3].port: got 70000, want an integer from 1 to 65535`. */
export function problemLine(problem: Problem): string {
  const place = problem.line === undefined ? "" : `:${problem.line}:${problem.column ?? 1}`;
  const field = problem.path === "" ? "" : ` ${problem.path}:`;
  return `${problem.file}${place}:${field} got ${problem.value}, want ${problem.expected}`;
}

/** A value as shown to people: one line, at most 80 characters, without credentials or query. */
export function shownValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(shortened(withoutSecrets(firstLine(value))));
}

function messageOf(problems: readonly Problem[]): string {
  const lines = problems.slice(0, PROBLEMS_SHOWN).map(problemLine);
  const hidden = problems.length - lines.length;
  return hidden > 0 ? [...lines, `and ${hidden} more`].join("\n") : lines.join("\n");
}

function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end < 0 ? text : `${text.slice(0, end)}…`;
}

function withoutSecrets(text: string): string {
  return text.replace(/\?.*$/, "?…").replace(/\/\/[^/@]*@/, "//…@");
}

function shortened(text: string): string {
  return text.length <= VALUE_SHOWN_CHARS ? text : `${text.slice(0, VALUE_SHOWN_CHARS)}…`;
}
