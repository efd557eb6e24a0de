/** A YAML file against its schema: everything wrong with it at once, where Talos's decoder lets unknown keys pass. */
import * as v from "valibot";
import { LineCounter, parseDocument } from "yaml";
import type { Problem } from "./problem.ts";

/** A mapping with these keys and no other. */
export function mapping<const Entries extends v.ObjectEntries>(entries: Entries) {
  const known = `one of the keys ${Object.keys(entries).join(", ")}`;
  return v.strictObject(entries, ({ expected, received }) => {
    if (expected === "never") return known;
    return received === "undefined" && expected !== "Object" ? `a value for ${expected}` : "a mapping";
  });
}

/** Text that is not empty. */
export const someText = v.pipe(v.string("text"), v.nonEmpty("text"));

/** What was read: `value` is undefined where it is not of the schema. */
export interface YamlReading<Value> {
  /** The document as it stands; undefined where it is no YAML. */
  readonly document: unknown;
  readonly value: Value | undefined;
  readonly problems: readonly Problem[];
}

/** Reads one document. */
export function readYaml<const Schema extends v.GenericSchema>(
  path: string,
  bytes: Uint8Array,
  schema: Schema,
): YamlReading<v.InferOutput<Schema>> {
  const document = parseDocument(Buffer.from(bytes).toString("utf8"), {
    lineCounter: new LineCounter(),
    uniqueKeys: true,
  });
  if (document.errors.length > 0) {
    const problems = document.errors.map(
      ({ message }): Problem => ({
        code: "yaml",
        path,
        found: message.split("\n")[0] ?? "",
        want: "one YAML document",
      }),
    );
    return { document: undefined, value: undefined, problems };
  }
  // An alias bomb is cut off by the reader's own bound (maxAliasCount).
  const value: unknown = document.toJS();
  const result = v.safeParse(schema, value);
  if (result.success) return { document: value, value: result.output, problems: [] };
  return { document: value, value: undefined, problems: result.issues.map((issue) => problemOf(path, issue)) };
}

function problemOf(path: string, issue: v.BaseIssue<unknown>): Problem {
  const keys = (issue.path ?? []).map(({ key }) => String(key));
  const isUnknown = issue.expected === "never";
  return {
    code: isUnknown ? "unknown-key" : "wrong-value",
    path: `${path}#${(isUnknown ? keys.slice(0, -1) : keys).join(".")}`,
    found: isUnknown ? `the key ${keys.at(-1)}` : issue.input === undefined ? "nothing" : JSON.stringify(issue.input),
    want: issue.message,
  };
}
