/** Patterns that are refused, and the ids that were probably meant. */
import { editDistance, PATTERN_MAX_CHARS } from "@lifeline/catalogue";
import { visibleText } from "@lifeline/measure";
import { CliError } from "../cli-error.ts";

/** Most ids listed when a pattern matches none. */
const CLOSE_SHOWN = 5;

/** Share of the characters that may differ in what is still close: half of them. */
const CLOSE_DISTANCE = 0.5;

/** Ids listed when none is close. */
const FAR_SHOWN = 3;

/** Refuses an empty or overlong pattern, which matches no id. */
export function checkPattern(pattern: string): string {
  if (pattern !== "" && pattern.length <= PATTERN_MAX_CHARS) return pattern;
  const value = pattern === "" ? '""' : `${pattern.length} characters`;
  throw new CliError(
    "usage",
    `--only: got ${value}, want a pattern of 1 to ${PATTERN_MAX_CHARS} characters such as 'node-*'`,
  );
}

/** The error of a pattern that matches no row, with the closest of `ids`. */
export function noMatch(pattern: string, ids: readonly string[]): CliError {
  const close = closest(pattern.replace(/[*?[\]!]/g, ""), ids);
  const hint = close.length === 0 ? "there is no row at all" : `the closest: ${close.join(", ")}`;
  return new CliError("usage", `--only: '${pattern}' matches no requirement; ${hint}`);
}

/**
 * The ids close to `word`, nearest first, at most five: those that contain it, then by edit distance for their length.
 * When none is close, the nearest three. Returned as visible text.
 */
export function closest(word: string, ids: readonly string[]): string[] {
  const scored = [...new Set(ids)].map((id) => ({
    id,
    far: id.includes(word) ? 0 : editDistance(word, id) / Math.max(word.length, id.length),
  }));
  scored.sort((a, b) => a.far - b.far || (a.id < b.id ? -1 : 1));
  const close = scored.filter(({ far }) => far <= CLOSE_DISTANCE).slice(0, CLOSE_SHOWN);
  return (close.length === 0 ? scored.slice(0, FAR_SHOWN) : close).map(({ id }) => visibleText(id));
}
