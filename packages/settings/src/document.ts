/** Files of settings and plans: bounded, and read with one error format. */
import { readFileSync } from "node:fs";
import { readYaml } from "@lifeline/yaml";
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
 * The value of one YAML or JSON document. `source` names it in errors.
 *
 * @throws ConfigError `too-large`, or `syntax` with the line and column of each problem.
 */
export function documentOf(text: string, source: string, maxChars: number = DOCUMENT_MAX_CHARS): unknown {
  refuseLong(text, source, maxChars);
  const result = readYaml(text);
  if (result.kind === "read") return result.value;
  const [first, ...others] = result.problems.map(({ line, column, got, want }) =>
    problem("syntax", `${source}:${line}:${column}`, got, want),
  );
  if (first === undefined) throw new TypeError("a refused document has no problem");
  throw new ConfigError(first, ...others);
}

function refuseLong(text: string, source: string, maxChars: number): void {
  if (text.length <= maxChars) return;
  const got = `${text.length} characters`;
  throw new ConfigError(problem("too-large", source, got, `at most ${maxChars}`));
}
