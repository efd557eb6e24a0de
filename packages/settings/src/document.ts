/** YAML and JSON text to plain values: bounded, one document, each key once, no aliases, no custom tags. */
import { readFileSync } from "node:fs";
import { type Document, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { ConfigError, errorCode, problem } from "./config-error.ts";

/** Largest document read, characters: a plan of 512 targets with a CA each stays below 2 MiB. */
export const DOCUMENT_MAX_CHARS = 4 * 1024 * 1024;

/** The value of the file at `path`. Throws a {@link ConfigError} as {@link readText} and {@link documentOf} do. */
export function readDocument(path: string): unknown {
  return documentOf(readText(path), path);
}

/** The text of the file at `path`. Throws a {@link ConfigError}: `unreadable`, or `too-large` beyond `maxChars`. */
export function readText(path: string, maxChars: number = DOCUMENT_MAX_CHARS): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(problem("unreadable", path, errorCode(error), "a file that can be read"));
  }
  refuseLong(text, path, maxChars);
  return text;
}

/**
 * The value of one document. `source` names it in errors.
 *
 * @throws ConfigError `too-large`, or `syntax` with the line and column of the first problem.
 */
export function documentOf(text: string, source: string, maxChars: number = DOCUMENT_MAX_CHARS): unknown {
  refuseLong(text, source, maxChars);
  const lines = new LineCounter();
  const refuse = (offset: number, got: string, want: string): never => {
    const { line, col } = lines.linePos(offset);
    throw new ConfigError(problem("syntax", `${source}:${line}:${col}`, got, want));
  };
  const document = parsed(text, source, lines);
  const [broken] = [...document.errors, ...document.warnings];
  if (broken?.code === "RESOURCE_EXHAUSTION") throw tooDeep(source);
  if (broken !== undefined) {
    refuse(broken.pos[0], `broken YAML (${broken.code})`, WANTED[broken.code] ?? "a YAML or JSON document");
  }
  visit(document, {
    Map: (_key, { items }) => {
      // Not the parser's own check: it compares every two keys, which takes hours for the largest file.
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) refuse(key.range?.[0] ?? 0, "a key twice", "each key once");
        seen.add(key.value);
      }
    },
    Alias: (_key, node) => refuse(node.range?.[0] ?? 0, `the alias *${node.source}`, "the value written out"),
  });
  return document.toJS({ maxAliasCount: 0 });
}

/** What would be right, by the parser's own stable code. */
const WANTED: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: "one document",
  TAG_RESOLVE_FAILED: "no tag",
  TAB_AS_INDENT: "spaces for indentation",
  BAD_INDENT: "consistent indentation and closed brackets",
  MISSING_CHAR: "the missing quote, bracket or colon",
  NON_STRING_KEY: "a text key",
};

function refuseLong(text: string, source: string, maxChars: number): void {
  if (text.length <= maxChars) return;
  const got = `${text.length} characters`;
  throw new ConfigError(problem("too-large", source, got, `at most ${maxChars}`));
}

function parsed(text: string, source: string, lines: LineCounter): Document {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false });
  } catch (error) {
    // The parser reports some kinds of endless nesting itself; the others overflow its stack.
    if (error instanceof RangeError) throw tooDeep(source);
    throw error;
  }
}

function tooDeep(source: string): ConfigError {
  return new ConfigError(problem("syntax", source, "nesting too deep to read", "a few levels"));
}
