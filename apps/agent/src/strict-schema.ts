/** Pieces of schema whose every error says what would be right. */
import * as v from "valibot";
import { ConfigError, invalid } from "./config-error.ts";

/** A mapping with these keys and no other. */
export function mapping<const Entries extends v.ObjectEntries>(entries: Entries) {
  const known = `one of the keys ${Object.keys(entries).join(", ")}`;
  return v.strictObject(entries, (issue) => {
    if (issue.expected === "never") return known;
    return issue.received === "undefined" && issue.expected !== "Object"
      ? `a value for ${issue.expected}`
      : "a mapping";
  });
}

/** A mapping that is no list: to valibot a list is an object too, and an empty one would pass for a mapping of defaults. */
export function section<const Schema extends v.GenericSchema>(schema: Schema) {
  return v.pipe(
    v.custom<v.InferInput<Schema>>((input) => !Array.isArray(input), "a mapping"),
    schema,
  );
}

/** Text of `min` to `max` characters. */
export function textOf(min: number, max: number, what = "text") {
  const want = `${what} of ${min} to ${max} characters`;
  return v.pipe(v.string(want), v.minLength(min, want), v.maxLength(max, want));
}

/** An integer from `min` to `max`. */
export function integerOf(min: number, max: number, unit = "") {
  const want = `an integer from ${min} to ${max}${unit}`;
  return v.pipe(v.number(want), v.integer(want), v.minValue(min, want), v.maxValue(max, want));
}

/** A list of at most `max` entries. */
export function listOf<const Item extends v.GenericSchema>(item: Item, max: number, what: string) {
  const want = `a list of at most ${max} ${what}`;
  return v.pipe(v.array(item, want), v.maxLength(max, want));
}

/** One of these words. */
export function wordOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return v.picklist(words, `one of ${words.join(", ")}`);
}

/** Validates; throws a {@link ConfigError} that names the first thing wrong. `sourceOf` names where a field came from. */
export function validated<const Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  sourceOf: (field: string) => string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const issue = deepest(result.issues[0]);
  const field = fieldName(issue.path ?? []);
  // A document that is none of ours may be a file with a secret that was taken for it: it is not repeated.
  if (field === "")
    throw new ConfigError("invalid", `${sourceOf(field)}: got ${kindOf(issue.input)}, want ${issue.message}`);
  throw invalid(sourceOf(field), field, issue.expected === "never" ? lastKey(issue) : issue.input, issue.message);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "a mapping" : `a ${typeof value}`;
}

/** In a union, the issue of the alternative that came furthest says most. */
function deepest(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  let best = issue;
  for (const inner of issue.issues ?? []) {
    const candidate = deepest(inner);
    if ((candidate.path?.length ?? 0) > (best.path?.length ?? 0)) best = candidate;
  }
  return best;
}

function fieldName(path: readonly v.IssuePathItem[]): string {
  let name = "";
  for (const { key } of path)
    name += typeof key === "number" ? `[${key}]` : name === "" ? String(key) : `.${String(key)}`;
  return name;
}

function lastKey(issue: v.BaseIssue<unknown>): unknown {
  return issue.path?.at(-1)?.key;
}
