/** YAML and JSON text to plain values: one document, each key once, no aliases, no custom tags. */
import { type Document, isScalar, LineCounter, parseDocument, visit } from "yaml";

/** Something in the text that is refused. */
export interface YamlProblem {
  /** Line in the text, from 1. */
  readonly line: number;
  /** Column in the line, from 1. */
  readonly column: number;
  /** What was found, such as `a key twice`. It repeats no value of the text (S1). */
  readonly got: string;
  /** What would be right, such as `each key once`. */
  readonly want: string;
}

/** The value, or everything that is wrong, in the order it was found; never empty. */
export type YamlResult =
  | { readonly kind: "read"; readonly value: unknown }
  | { readonly kind: "refused"; readonly problems: readonly [YamlProblem, ...YamlProblem[]] };

/**
 * Reads one YAML 1.2 document; JSON is one too. The caller bounds the size of the text.
 *
 * Refused: broken YAML, duplicate keys, several documents, aliases, unknown tags, nesting deeper than the parser's
 * stack.
 */
export function readYaml(text: string): YamlResult {
  const lines = new LineCounter();
  const document = parsed(text, lines);
  if (document === undefined) return { kind: "refused", problems: [TOO_DEEP] };
  const [first, ...others] = problemsOf(document, lines);
  if (first !== undefined) return { kind: "refused", problems: [first, ...others] };
  return { kind: "read", value: document.toJS({ maxAliasCount: 0 }) };
}

/** Undefined: the text is nested too deeply. */
function parsed(text: string, lines: LineCounter): Document | undefined {
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false,
    });
    // The parser reports some kinds of endless nesting itself, once for each level.
    return document.errors.some(({ code }) => code === "RESOURCE_EXHAUSTION") ? undefined : document;
  } catch (error) {
    // The other kinds overflow its stack.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const TOO_DEEP: YamlProblem = { line: 1, column: 1, got: "nesting too deep to read", want: "a few levels" };

function problemsOf(document: Document, lines: LineCounter): readonly YamlProblem[] {
  const problems: YamlProblem[] = [];
  const add = (offset: number, got: string, want: string) => {
    const { line, col: column } = lines.linePos(offset);
    problems.push({ line, column, got, want });
  };
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) {
    add(pos[0], `broken YAML (${code})`, WANTED[code] ?? `YAML that parses: ${message.split("\n", 1)[0]}`);
  }
  visit(document, {
    Map: (_key, { items }) => {
      // The parser's own check compares every two keys: 27 s for a file of 30,000.
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) add(key.range?.[0] ?? 0, "a key twice", "each key once");
        seen.add(key.value);
      }
    },
    Alias: (_key, node) => add(node.range?.[0] ?? 0, `the alias *${node.source}`, "the value written out"),
  });
  return problems;
}

/** What would be right, by the parser's stable code. For other codes the parser's first sentence is shown. */
const WANTED: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: "one document",
  TAG_RESOLVE_FAILED: "no tag",
  TAB_AS_INDENT: "spaces for indentation",
  BAD_INDENT: "consistent indentation and closed brackets",
  BLOCK_AS_IMPLICIT_KEY: "one key and one value on a line",
  MULTILINE_IMPLICIT_KEY: "a key on one line",
  MISSING_CHAR: "the missing quote, bracket or colon",
  NON_STRING_KEY: "a text key",
};
