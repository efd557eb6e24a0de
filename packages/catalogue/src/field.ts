/** The smallest parts of the schemas. Each says what it expects, and every list and text has a bound (S2). */
import * as v from "valibot";
import { isHost, isWildcard, PORT_MAX, PORT_MIN } from "./endpoint.ts";
import { type Problem, shownValue } from "./error.ts";
import { nearest } from "./nearest.ts";

/** Longest text of a catalogue, in characters. */
const TEXT_MAX_CHARS = 1_000;

/** Most entries of a list inside a row. */
const LIST_MAX = 64;

/** Longest id, in characters: ids are parts of target ids, labels and file names. */
const ID_MAX_CHARS = 64;

const ID_WANTED = `a lower-case id of letters, digits and hyphens, at most ${ID_MAX_CHARS} characters`;
const TEXT_WANTED = `a text of 1 to ${TEXT_MAX_CHARS} characters`;
const HOST_WANTED = "a host name or an address literal, without port or scheme";

/**
 * A mapping of exactly these keys. The error of an unknown key lists the known ones, and never shows its value (S1).
 */
export function record<const Entries extends v.ObjectEntries>(entries: Entries) {
  const keys = Object.keys(entries);
  return v.strictObject(entries, (issue) => {
    if (issue.expected === "never") {
      knownKeys.set(issue, keys);
      return `one of ${keys.join(", ")}`;
    }
    const missing = keys.find((key) => issue.expected === JSON.stringify(key));
    const entry = missing === undefined ? undefined : entries[missing];
    return entry === undefined ? `a mapping with ${keys.join(", ")}` : wantedOf(entry);
  });
}

/**
 * Allowed keys of a mapping, by the issue of an unknown key. Needed because valibot reports only the first such key.
 */
const knownKeys = new WeakMap<v.BaseIssue<unknown>, readonly string[]>();

function wantedOf(entry: object): string {
  return "message" in entry && typeof entry.message === "string" ? entry.message : "a mapping";
}

/** One word of a closed list. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return v.picklist(words, `one of ${words.join(", ")}`);
}

/** A list of `least` to `most` items; `most` defaults to 64. `what` names the items in the plural. */
export function listOf<Item extends v.GenericSchema>(item: Item, what: string, least: number, most: number = LIST_MAX) {
  const wanted = `a list of ${least} to ${most} ${what}`;
  return v.pipe(v.array(item, wanted), v.minLength(least, wanted), v.maxLength(most, wanted));
}

/** An integer in a stated range. */
export function integer(min: number, max: number, what = "an integer") {
  const wanted = `${what} from ${min} to ${max}`;
  return v.pipe(v.number(wanted), v.integer(wanted), v.minValue(min, wanted), v.maxValue(max, wanted));
}

/** A text that satisfies `accepts`. */
export function textThat(accepts: (text: string) => boolean, wanted: string) {
  return v.pipe(v.string(wanted), v.check(accepts, wanted));
}

/** Free text for people, 1–1000 characters. */
export const text = textThat((value) => value.trim() !== "" && value.length <= TEXT_MAX_CHARS, TEXT_WANTED);

/** A kebab-case id. */
export const id = textThat(
  (value) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value) && value.length <= ID_MAX_CHARS,
  ID_WANTED,
);

/** true or false. */
export const flag = v.boolean("true or false");

/** A port, 1–65535. */
export const port = integer(PORT_MIN, PORT_MAX);

/** A host name or an address literal. */
export const host = textThat(isHost, HOST_WANTED);

/** A wildcard domain such as `*.githubusercontent.com`. */
export const wildcard = textThat(isWildcard, "a wildcard domain such as *.example.com");

/** A catalogue version such as `v1.13`. */
export const version = textThat((value) => /^v\d{1,4}\.\d{1,4}$/.test(value), "a version such as v1.13");

/**
 * Checks `value` against `schema`. Returns the parsed output, or every problem in file order.
 *
 * @param file the name that problems carry.
 */
export function checked<Output>(
  schema: v.GenericSchema<unknown, Output>,
  value: unknown,
  file: string,
): { readonly output: Output; readonly problems: readonly [] } | { readonly problems: readonly Problem[] } {
  const result = v.safeParse(schema, value);
  if (result.success) return { output: result.output, problems: [] };
  const problems = new Map<string, Problem>();
  for (const issue of result.issues) {
    for (const problem of problemsOf(issue, file)) problems.set(`${problem.path} ${problem.expected}`, problem);
  }
  return { problems: [...problems.values()] };
}

/** The problem of a list in place of a mapping. Valibot itself reports it as an object with wrong keys. */
function listForMapping(issue: v.BaseIssue<unknown>, file: string): Problem | undefined {
  const owner = issue.type === "strict_object" ? issue.path?.at(-1)?.input : undefined;
  if (!Array.isArray(owner)) return undefined;
  const path = pathOf(issue.path?.slice(0, -1) ?? []);
  return { code: "bad-value", file, path, value: shownValue(owner), expected: "a mapping of keys and values" };
}

function problemsOf(issue: v.BaseIssue<unknown>, file: string): readonly Problem[] {
  const listed = listForMapping(issue, file);
  if (listed !== undefined) return [listed];
  const known = knownKeys.get(issue);
  if (known !== undefined) return unknownKeys(issue, known, file);
  const code = issue.input === undefined ? "missing-key" : "bad-value";
  return [{ code, file, path: pathOf(issue.path ?? []), value: shownValue(issue.input), expected: issue.message }];
}

/** A known key is suggested where at most half of its characters differ. */
const CLOSE_SHARE = 0.5;

function unknownKeys(issue: v.BaseIssue<unknown>, known: readonly string[], file: string): readonly Problem[] {
  const mapping = issue.path?.at(-1)?.input;
  const parent = pathOf(issue.path?.slice(0, -1) ?? []);
  const keys = typeof mapping === "object" && mapping !== null ? Object.keys(mapping) : [];
  return keys
    .filter((key) => !known.includes(key))
    .map((key) => {
      const path = parent === "" ? key : `${parent}.${key}`;
      // The key is the user's own text, so it is shown, but never its value (S1).
      const hint = nearest(key, known, CLOSE_SHARE);
      const expected = `${issue.message}${hint === undefined ? "" : `; the nearest is ${hint}`}`;
      return { code: "unknown-key", file, path, value: "an unknown key", expected };
    });
}

/** The path as people write it, such as `requirements[3].port`. */
function pathOf(items: readonly v.IssuePathItem[]): string {
  let path = "";
  for (const item of items) {
    if (typeof item.key === "number") path += `[${item.key}]`;
    else path += path === "" ? String(item.key) : `.${String(item.key)}`;
  }
  return path;
}
