/** YAML text to plain values: bounded, one document, no aliases, every error with its line and column. */
import { type Document, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { CatalogueError, type Problem, refuseProblems } from "./error.ts";

/**
 * Largest catalogue or deployment file read, in bytes of UTF-8: 256 KiB, about eight times the largest bundled catalogue.
 */
export const MAX_FILE_BYTES = 262_144;

/**
 * Parses one YAML 1.2 document into plain values.
 *
 * @throws CatalogueError `too-large`, or `syntax` with line and column: broken YAML, duplicate keys, several documents,
 *   aliases, unknown tags, nesting deeper than the parser's stack.
 */
export function parseYaml(file: string, text: string): unknown {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > MAX_FILE_BYTES) throw tooLarge(file, sizeBytes);
  const lines = new LineCounter();
  const document = parsed(file, text, lines);
  refuseProblems(syntaxProblems(file, document, lines));
  return document.toJS({ maxAliasCount: 0 });
}

function parsed(file: string, text: string, lines: LineCounter): Document {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false });
  } catch (error) {
    // Of some ways to nest without end the parser makes an error of its own; of others its stack does.
    if (error instanceof RangeError) throw new CatalogueError([tooDeep(file)]);
    throw error;
  }
}

/** The error for a file over {@link MAX_FILE_BYTES}. */
export function tooLarge(file: string, sizeBytes: number): CatalogueError {
  const expected = `at most ${MAX_FILE_BYTES} bytes`;
  return new CatalogueError([{ code: "too-large", file, path: "", value: `${sizeBytes} bytes`, expected }]);
}

function syntaxProblems(file: string, document: Document, lines: LineCounter): Problem[] {
  const problems: Problem[] = [];
  const add = (offset: number, value: string, expected: string) => {
    const { line, col: column } = lines.linePos(offset);
    problems.push({ code: "syntax", file, path: "", value, expected, line, column });
  };
  for (const error of [...document.errors, ...document.warnings]) {
    if (error.code === "RESOURCE_EXHAUSTION") return [tooDeep(file)]; // One error a level: the first says it all.
    add(error.pos[0], `broken YAML (${error.code})`, SYNTAX_WANTED[error.code] ?? firstSentence(error.message));
  }
  visit(document, {
    Map: (_key, node) => {
      // Not the parser's own check: it compares every two keys, 27 s for a file of 30,000.
      const seen = new Set<unknown>();
      for (const { key } of node.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) add(key.range?.[0] ?? 0, "a key twice", "each key once");
        seen.add(key.value);
      }
    },
    Alias: (_key, node) => add(node.range?.[0] ?? 0, `the alias *${node.source}`, "the value written out"),
  });
  return problems;
}

function tooDeep(file: string): Problem {
  const expected = "a few levels";
  return { code: "syntax", file, path: "", value: "nesting too deep to read", expected, line: 1, column: 1 };
}

/** What would be right, by the parser's own stable code; other codes show the parser's sentence, which has no excerpt. */
const SYNTAX_WANTED: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: "one document",
  TAG_RESOLVE_FAILED: "no tag",
  TAB_AS_INDENT: "spaces for indentation",
  BAD_INDENT: "consistent indentation and closed brackets",
  BLOCK_AS_IMPLICIT_KEY: "one key and one value on a line",
  MULTILINE_IMPLICIT_KEY: "a key on one line",
  MISSING_CHAR: "the missing quote, bracket or colon",
  NON_STRING_KEY: "a text key",
};

function firstSentence(message: string): string {
  return `YAML that parses: ${message.split("\n", 1)[0] ?? ""}`;
}
