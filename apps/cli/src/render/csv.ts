/** Comma-separated values: RFC 4180, CRLF, a header line, names with their units. */

/** One field of a record: its name in the header, and its value; null is an empty field. */
export interface Field<Row> {
  readonly name: string;
  readonly value: (row: Row) => string | number | boolean | null;
}

/** The whole file. */
export function csvText<Row>(fields: readonly Field<Row>[], rows: readonly Row[]): string {
  const header = fields.map(({ name }) => quoted(name));
  const records = rows.map((row) => fields.map(({ value }) => quoted(String(value(row) ?? ""))));
  return [header, ...records].map((record) => `${record.join(",")}\r\n`).join("");
}

/** RFC 4180 §2.5–2.7: quotes around what holds a comma, a quote or a line break; a quote is doubled. */
function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
