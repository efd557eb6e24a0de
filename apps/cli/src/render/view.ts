/** The result of a command, and its output formats. */
import { visibleLines } from "@lifeline/measure";
import type { ExitCode } from "../exit-code.ts";
import type { ScreenWorld } from "../world.ts";
import { csvText, type Field } from "./csv.ts";
import { proseLines } from "./display-width.ts";
import { jsonText } from "./json.ts";
import { codeSpan, markdownLines } from "./markdown.ts";
import { screenText } from "./paint.ts";
import type { StatusLayout } from "./status.ts";
import { type Column, tableLines } from "./table.ts";

/** The output formats. */
export const FORMATS = ["table", "wide", "json", "csv", "markdown"] as const;
export type Format = (typeof FORMATS)[number];

/** A result that can be shown in every format. */
export interface View {
  readonly exitCode: ExitCode;
  /** For people at a terminal; ends with a line feed. */
  text(layout: StatusLayout): string;
  /** One JSON value. */
  json(): object;
  csv(): string;
  markdown(): string;
}

/** A list of records and how to show it. */
export interface Records<Row> {
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** Further columns of `wide` and Markdown. */
  readonly wideColumns?: readonly Column<Row>[];
  readonly fields: readonly Field<Row>[];
  readonly json: object;
  /** The line shown instead of an empty table. */
  readonly empty: string;
  /** Lines below the table, which are wrapped to its width. */
  readonly footer?: readonly string[];
  readonly exitCode: ExitCode;
}

/** The view of a list of records. */
export function recordsView<Row>(records: Records<Row>): View {
  const { rows, columns, wideColumns = [], fields, json, empty, footer = [], exitCode } = records;
  const all = [...columns, ...wideColumns];
  return {
    exitCode,
    json: () => json,
    csv: () => csvText(fields, rows),
    markdown: () => `${[...markdownLines(all, rows), ...below(footer.map(codeSpan))].join("\n")}\n`,
    text({ wide, width, color }) {
      const layout = { color, width: wide ? undefined : width };
      const chosen = wide ? all.map(({ maxWidth: _, ...column }) => column) : columns;
      const table = rows.length === 0 ? [empty] : tableLines(chosen, rows, layout);
      const footerLines = footer.flatMap((line) => proseLines(line, layout.width));
      return `${[...table, ...below(footerLines)].join("\n")}\n`;
    },
  };
}

/** Lines that stand below a table, apart from it. */
function below(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", ...lines];
}

/** The view as text in a format, without hidden characters. */
export function viewText(view: View, format: Format, layout: Omit<StatusLayout, "wide">): string {
  switch (format) {
    case "table":
      return screenText(view.text({ ...layout, wide: false }), layout.color);
    case "wide":
      return screenText(view.text({ ...layout, wide: true }), layout.color);
    case "json":
      return `${jsonText(view.json(), 2)}\n`;
    case "csv":
      return view.csv();
    case "markdown":
      return visibleLines(view.markdown());
  }
}

/**
 * How stdout is written to: its width, and colour only on a terminal that takes it. `NO_COLOR` set to anything but
 * nothing means no colour (no-color.org), as does `TERM=dumb`.
 */
export function layoutOf({ stdout, env }: ScreenWorld, wantsColor: boolean): Omit<StatusLayout, "wide"> {
  const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return { width: stdout.columns(), color: wantsColor && stdout.isTTY && !refused };
}
