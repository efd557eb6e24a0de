/**
 * GitHub Flavored Markdown, for tickets and reports.
 *
 * 1. Text that the program did not write itself is shown as code. In code, GitHub and GitLab make no link, mention,
 *    reference, image or tag.
 */
import { visibleText } from "@lifeline/measure";
import type { Column } from "./table.ts";
import { NONE } from "./units.ts";

/** The header, the line below it and one line for each row. */
export function markdownLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const rule = columns.map(({ align }) => (align === "right" ? "---:" : "---"));
  const body = rows.map((row) => line(columns.map(({ text, isOwn }) => (isOwn ? escaped : codeSpan)(text(row)))));
  return [line(columns.map(({ title }) => escaped(title))), line(rule), ...body];
}

/**
 * Visible text as a code span that shows it exactly (CommonMark 0.31.2 §6.1). Empty text gives nothing, a dash stays a
 * dash. A bar stands between two code spans: inside one, a table would split at it or drop the backslash before it.
 */
export function codeSpan(text: string): string {
  if (text === NONE) return text;
  return visibleText(text).split("|").map(fenced).join("&#124;");
}

/**
 * Text without a bar between backticks: more than the longest run in it, with spaces where its ends would be trimmed.
 */
function fenced(text: string): string {
  if (text === "") return "";
  const longest = (text.match(/`+/g) ?? []).reduce((most, { length }) => Math.max(most, length), 0);
  const fence = "`".repeat(longest + 1);
  const isTrimmed = /^ .* $/.test(text) && text.trim() !== "";
  const space = isTrimmed || text.startsWith("`") || text.endsWith("`") ? " " : "";
  return `${fence}${space}${text}${space}${fence}`;
}

/** Text of the program's own, in which nothing starts a cell, a tag, a link or emphasis. */
function escaped(text: string): string {
  return visibleText(text).replace(/[\\|`*_[\]<>~]/g, "\\$&");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
