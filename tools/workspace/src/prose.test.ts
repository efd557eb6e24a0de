/**
 * Lines of prose have at most 120 characters: those of documents, and comments. Tables and code blocks may be wider.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");

/** Longest line of prose, characters: the width that Biome formats code to. */
const LINE_MAX_CHARS = 120;

const linesOf = (path: string) => readFileSync(join(root, path), "utf8").split("\n");

/** Pages that a program writes. */
const GENERATED = ["docs/causes.md", "docs/settings.md"];

/** The prose of a Markdown document: neither tables, nor fenced or indented blocks. */
function proseOf(path: string): readonly string[] {
  let isFenced = false;
  return linesOf(path).filter((line) => {
    if (line.startsWith("```")) isFenced = !isFenced;
    return !isFenced && !/^(\||```| {4})/.test(line);
  });
}

const commentsOf = (path: string) => linesOf(path).filter((line) => /^\s*(\*|\/\/|\/\*)(?! biome-ignore)/.test(line));

const isTooLong = (line: string) => [...line].length > LINE_MAX_CHARS;

describe("prose fits 120 columns", () => {
  it.each(globSync("{*.md,docs/*.md}", { cwd: root }).filter((path) => !GENERATED.includes(path)))("%s", (path) => {
    expect(proseOf(path).filter(isTooLong)).toEqual([]);
  });

  it("in comments", () => {
    const sources = globSync("{packages,apps,tools}/*/{src/**/*.ts,*.mjs}", { cwd: root });
    const long = sources
      .filter((path) => !path.includes("/src/gen/"))
      .flatMap((path) =>
        commentsOf(path)
          .filter(isTooLong)
          .map((line) => `${path}: ${line.trim()}`),
      );
    expect(long).toEqual([]);
  });
});
