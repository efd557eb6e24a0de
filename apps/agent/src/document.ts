/** YAML and JSON to plain values: bounded, one document, each key once, no aliases, no tags of anyone's own. */
import { readFileSync } from "node:fs";
import { isScalar, LineCounter, parseDocument, visit } from "yaml";
import { ConfigError } from "./config-error.ts";

/** Largest document read, characters: 512 targets with authorities of their own stay below 2 MiB. */
export const DOCUMENT_MAX_CHARS = 4 * 1024 * 1024;

/** Reads the file at `path`. Throws a {@link ConfigError}: `unreadable`, or `invalid` as {@link documentOf} does. */
export function readDocument(path: string): unknown {
  return documentOf(readText(path), path);
}

/** The text of the file at `path`. Throws a {@link ConfigError}: `unreadable`, or `invalid` when it is longer than DOCUMENT_MAX_CHARS. */
export function readText(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new ConfigError("unreadable", `${path}: ${code}: want a readable file`);
  }
  refuseLong(text, path);
  return text;
}

function refuseLong(text: string, source: string): void {
  if (text.length <= DOCUMENT_MAX_CHARS) return;
  throw new ConfigError("invalid", `${source}: ${text.length} characters, want at most ${DOCUMENT_MAX_CHARS}`);
}

function parsed(text: string, source: string, lines: LineCounter) {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false });
  } catch (error) {
    // Of some ways to nest without end the parser makes an error of its own; of others its stack does.
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError("invalid", `${source}:1: RESOURCE_EXHAUSTION: want a YAML or JSON document`);
  }
}

/** The value of one document. Throws a {@link ConfigError} `invalid` that names `source`, the line and what would be right. */
export function documentOf(text: string, source: string): unknown {
  refuseLong(text, source);
  const lines = new LineCounter();
  const document = parsed(text, source, lines);
  const refuse = (offset: number, wrong: string): never => {
    throw new ConfigError("invalid", `${source}:${lines.linePos(offset).line}: ${wrong}`);
  };
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined) refuse(broken.pos[0], `${broken.code}: want a YAML or JSON document`);
  visit(document, {
    Map: (_key, { items }) => {
      // Not the parser's own check: it compares every two keys, a second for a file of 8,000 and hours for the largest.
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) refuse(key.range?.[0] ?? 0, "DUPLICATE_KEY: want each key once");
        seen.add(key.value);
      }
    },
    Alias: (_key, node) => refuse(node.range?.[0] ?? 0, "got an alias, want a document without aliases"),
  });
  return document.toJS({ maxAliasCount: 0 });
}
