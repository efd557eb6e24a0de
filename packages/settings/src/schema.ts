/** Parts of schemas whose errors name the wanted value. */
import * as v from "valibot";
import { ConfigError, type Problem, problem, shownKind, shownValue } from "./config-error.ts";

/** A mapping with these keys and no other. */
export function mapping<const Entries extends v.ObjectEntries>(entries: Entries) {
  const known = `one of ${Object.keys(entries).join(", ")}`;
  return v.strictObject(entries, (issue) => {
    if (issue.expected === "never") return known;
    return issue.received === "undefined" && issue.expected !== "Object"
      ? `a value for ${issue.expected}`
      : "a mapping";
  });
}

/** Text of `min` to `max` characters. */
export function textOf(min: number, max: number, what = "text") {
  const want = `${what} of ${min} to ${max} characters`;
  return v.pipe(v.string(want), v.minLength(min, want), v.maxLength(max, want));
}

/** Text that `read` makes a value of; undefined: it is not `want`. */
export function textAs<T>(read: (text: string) => T | undefined, want: string) {
  return v.pipe(
    v.string(want),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value);
      if (value !== undefined) return value;
      addIssue({ message: want, input: dataset.value });
      return NEVER;
    }),
  );
}

/** An integer from `min` to `max`. */
export function integerOf(min: number, max: number, unit = "") {
  const want = `an integer from ${min} to ${max}${unit === "" ? "" : ` ${unit}`}`;
  return v.pipe(v.number(want), v.integer(want), v.minValue(min, want), v.maxValue(max, want));
}

/** A list of `least` to `most` entries. */
export function listOf<const Item extends v.GenericSchema>(item: Item, most: number, what: string, least = 0) {
  const want = `a list of ${least === 0 ? "at most" : `${least} to`} ${most} ${what}`;
  return v.pipe(v.array(item, want), v.minLength(least, want), v.maxLength(most, want));
}

/** One of these words. */
export function wordOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return v.picklist(words, `one of ${words.join(", ")}`);
}

/** The value that `schema` makes of `input`. Throws a {@link ConfigError} with the first problem. */
export function validated<const Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  source: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const [issue] = result.issues;
  if (typeof input === "object" || input === undefined) throw new ConfigError(issueProblem(issue, source, ""));
  throw new ConfigError(problem("bad-value", source, shownKind(input), issue.message));
}

/**
 * The problem of an issue in the value of `field`, which `source` gave. `field` is empty for a whole document, `source`
 * for a flag, which is the field itself.
 */
export function issueProblem(issue: v.BaseIssue<unknown>, source: string, field: string): Problem {
  const { path = [], expected, input, message: want } = deepest(issue);
  const name = path.reduce((outer, { key }) => fieldWithin(outer, key), field);
  const at = placeName(source, name);
  if (expected === "never") return problem("unknown-key", at, "an unknown key", want);
  return problem(input === undefined ? "missing" : "bad-value", at, shownValue(input), want);
}

/** Source and field as errors name them; either may be empty. */
export function placeName(source: string, field: string): string {
  return [source, field].filter((part) => part !== "").join(": ");
}

function fieldWithin(outer: string, key: unknown): string {
  if (typeof key === "number") return `${outer}[${key}]`;
  return outer === "" ? String(key) : `${outer}.${String(key)}`;
}

/** Of a union's alternatives, the one that matched furthest has the most useful issue. */
function deepest(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  return (issue.issues ?? [])
    .map(deepest)
    .reduce((best, inner) => ((inner.path?.length ?? 0) > (best.path?.length ?? 0) ? inner : best), issue);
}
