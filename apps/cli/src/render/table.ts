/**
 * Tables for terminals.
 *
 * 1. With a width, no line is wider than it: columns that may shrink do, widest first, then the line itself is cut.
 * 2. Every cell is visible text.
 */
import { visibleText } from "@lifeline/measure";
import { displayWidth, padded, truncateEnd, truncateMiddle } from "./display-width.ts";
import { paint, type Tone } from "./paint.ts";

/** One column of a table over rows of type `Row`. */
export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /**
   * The program itself made the text, from numbers and closed lists; Markdown shows it plainly. Default: no. The
   * text may come from anywhere, and Markdown shows it as code.
   */
  readonly isOwn?: boolean;
  readonly tone?: (row: Row) => Tone | undefined;
  /** Default left. */
  readonly align?: "left" | "right";
  /** Columns it may shrink to; absent: it keeps its width. */
  readonly shrinkTo?: number;
  /** Widest, in columns; absent: as wide as its cells. */
  readonly maxWidth?: number;
  /** Where … goes when it shrinks; default the end. */
  readonly cut?: "end" | "middle";
}

/** How a table is laid out. */
export interface TableLayout {
  /** Columns of the terminal; undefined: as wide as the rows need. */
  readonly width: number | undefined;
  readonly color: boolean;
  /** Spaces between columns; default 2. */
  readonly gapColumns?: number;
}

const DEFAULT_GAP_COLUMNS = 2;

/** The header and one line for each row. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[], layout: TableLayout): string[] {
  const cells = rows.map((row) => columns.map((column) => visibleText(column.text(row))));
  const widths = fitted(columns, naturalWidths(columns, cells), layout);
  const header = columns.map((column, at) => aligned(column, column.title, widths[at] ?? 0));
  const lines = [
    fit(
      header,
      columns.map(() => "strong" as const),
      layout,
    ),
  ];
  for (const [index, row] of rows.entries()) {
    const texts = columns.map((column, at) => aligned(column, cells[index]?.[at] ?? "", widths[at] ?? 0));
    lines.push(
      fit(
        texts,
        columns.map((column) => column.tone?.(row)),
        layout,
      ),
    );
  }
  return lines;
}

/** Columns of the table when all that may shrink has: a narrower terminal cuts lines. */
export function narrowestWidth<Row>(columns: readonly Column<Row>[], rows: readonly Row[], gapColumns: number): number {
  const cells = rows.map((row) => columns.map((column) => visibleText(column.text(row))));
  const gaps = gapColumns * (columns.length - 1);
  return naturalWidths(columns, cells).reduce(
    (sum, natural, at) => sum + Math.min(natural, columns[at]?.shrinkTo ?? natural),
    gaps,
  );
}

function naturalWidths<Row>(columns: readonly Column<Row>[], cells: readonly (readonly string[])[]): number[] {
  return columns.map(({ title, maxWidth = Number.POSITIVE_INFINITY }, at) => {
    const widest = cells.reduce((most, row) => Math.max(most, displayWidth(row[at] ?? "")), displayWidth(title));
    return Math.min(widest, maxWidth);
  });
}

/** Takes columns one by one from the widest that may shrink, until the line fits or none is left. */
function fitted<Row>(columns: readonly Column<Row>[], natural: readonly number[], layout: TableLayout): number[] {
  const { width, gapColumns = DEFAULT_GAP_COLUMNS } = layout;
  const widths = [...natural];
  if (width === undefined) return widths;
  const gaps = gapColumns * (columns.length - 1);
  let excess = widths.reduce((sum, each) => sum + each, gaps) - width;
  for (; excess > 0; excess--) {
    const widest = widestShrinkable(columns, widths);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function widestShrinkable<Row>(columns: readonly Column<Row>[], widths: readonly number[]): number | undefined {
  let found: number | undefined;
  for (const [at, { shrinkTo }] of columns.entries()) {
    const width = widths[at] ?? 0;
    if (shrinkTo !== undefined && width > shrinkTo && (found === undefined || width > (widths[found] ?? 0))) found = at;
  }
  return found;
}

function aligned<Row>(column: Column<Row>, text: string, width: number): string {
  const cut = column.cut === "middle" ? truncateMiddle(text, width) : truncateEnd(text, width);
  return padded(cut, width, column.align ?? "left");
}

/** Joins and paints the cells; what stands beyond the width is cut, and no line ends in spaces. */
function fit(texts: readonly string[], tones: readonly (Tone | undefined)[], layout: TableLayout): string {
  const { width, color, gapColumns = DEFAULT_GAP_COLUMNS } = layout;
  const gap = " ".repeat(gapColumns);
  const plain = texts.join(gap).trimEnd();
  if (width !== undefined && displayWidth(plain) > width) return truncateEnd(plain, width);
  return texts
    .map((text, at) => paint(at === texts.length - 1 ? text.trimEnd() : text, tones[at], color))
    .join(gap)
    .trimEnd();
}
