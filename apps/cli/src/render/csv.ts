/**
 * Comma-separated values: RFC 4180, CRLF, a header line, names with their units.
 *
 * 1. A spreadsheet reads no text as a formula. Numbers stay numbers.
 */
import { visibleText } from "@lifeline/measure";

/** One field of a record: its name in the header, and its value; null is an empty field. */
export interface Field<Row> {
  readonly name: string;
  /** Text may come from anywhere; numbers and booleans are the program's own. */
  readonly value: (row: Row) => string | number | boolean | null;
}

/** The whole file. */
export function csvText<Row>(fields: readonly Field<Row>[], rows: readonly Row[]): string {
  const header = fields.map(({ name }) => quoted(name));
  const records = rows.map((row) => fields.map(({ value }) => cell(value(row))));
  return [header, ...records].map((record) => `${record.join(",")}\r\n`).join("");
}

function cell(value: ReturnType<Field<never>["value"]>): string {
  return typeof value === "string" ? quoted(inert(value)) : String(value ?? "");
}

/**
 * A sign that starts a formula at the beginning of a cell (OWASP, CSV Injection), also in the wide and small forms that
 * some locales accept. Some spreadsheets trim spaces and quotes before it. A cell also begins after a semicolon, where
 * the locale separates by semicolons, and after a comma for a reader that ignores quotes.
 */
const FORMULA = /(^|[,;])([\s"'`´‘’‚‛“”„‟«»]*)([=+\-@\u2212＝＋－＠﹢﹣﹦﹫])/gu;

/** Visible text in which no cell begins with a formula: the sign is shown as its code point, `\u{3D}1+1`. */
function inert(text: string): string {
  return visibleText(text).replace(
    FORMULA,
    (_, start: string, trimmed: string, sign: string) =>
      `${start}${trimmed}\\u{${sign.codePointAt(0)?.toString(16).toUpperCase()}}`,
  );
}

/** RFC 4180 §2.5–2.7: quotes around what holds a comma, a quote or a line break; a quote is doubled. */
function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
