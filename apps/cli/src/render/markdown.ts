/** Tables in GitHub Flavored Markdown, for tickets and reports. */
import { printable } from "./display-width.ts";
import type { Column } from "./table.ts";

/** The header, the line below it and one line for each row. */
export function markdownLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const rule = columns.map(({ align }) => (align === "right" ? "---:" : "---"));
  const body = rows.map((row) => line(columns.map((column) => escaped(printable(column.text(row))))));
  return [line(columns.map(({ title }) => title)), line(rule), ...body];
}

/** Evidence is text of strangers: nothing in it may start a cell, a tag, a link or emphasis. */
export function escaped(text: string): string {
  return text.replace(/[\\|`*_[\]<>~]/g, "\\$&");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
