import { visibleText } from "@lifeline/measure";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyHostileText, HOSTILE_TEXTS } from "../testing/hostile-text.ts";
import { csvText, type Field } from "./csv.ts";

type Value = string | number | boolean | null;
type Row = readonly [Value, Value];
const fields: readonly Field<Row>[] = [
  { name: "hostname", value: ([name]) => name },
  { name: "rttMs", value: ([, figure]) => figure },
];

const records = (text: string, delimiter = ",", quote: '"' | false = '"'): string[][] =>
  parse(text, { delimiter, quote, relax_column_count: true, relax_quotes: true, record_delimiter: "\r\n" });

/** What begins a formula once a spreadsheet has trimmed spaces and quotes. */
const BEGINS_FORMULA = /^[\s"'`´‘’“”]*[=+\-@＝＋－＠﹢﹣﹦﹫\t\r]/u;

/** The cell without the guard that stands where a formula would begin. */
const unguarded = (cell: string) =>
  cell.replace(/\\u\{(3D|2B|2D|40|2212|FF1D|FF0B|FF0D|FF20|FE62|FE63|FE66|FE6B)\}/g, (_, point: string) =>
    String.fromCodePoint(Number.parseInt(point, 16)),
  );

describe("a CSV file", () => {
  it.each(HOSTILE_TEXTS)(
    "says %j without a formula in it, to a reader of commas, of semicolons, and of no quotes",
    (text) => {
      const file = csvText(fields, [[text, -3.5]]);
      expect(records(file)[1]).toEqual([expect.not.stringMatching(BEGINS_FORMULA), "-3.5"]);
      const others = [...records(file, ";", false), ...records(file, ",", false)].flat();
      expect(others.filter((cell) => cell !== "-3.5" && BEGINS_FORMULA.test(cell))).toEqual([]);
    },
  );

  it("gives back every text as visible text, none of which begins a formula, and figures as they are", () => {
    const figure = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null));
    fc.assert(
      fc.property(fc.array(fc.tuple(anyHostileText(), figure), { maxLength: 4 }), (rows) => {
        const [header, ...read] = records(csvText(fields, rows));
        expect(header).toEqual(["hostname", "rttMs"]);
        expect(read.map(([text = "", value]) => [unguarded(text), value])).toEqual(
          rows.map(([text, value]) => [unguarded(visibleText(text)), String(value ?? "")]),
        );
        expect(read.filter(([text = ""]) => BEGINS_FORMULA.test(text))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("has no cell that begins a formula for a reader that separates by semicolons or knows no quotes", () => {
    fc.assert(
      fc.property(anyHostileText(), anyHostileText(), (a, b) => {
        const file = csvText(fields, [[a, b]]);
        const all = [...records(file, ";", false), ...records(file, ",", false)].flat();
        expect(all.filter((cell) => BEGINS_FORMULA.test(cell))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it.each<[Value, string]>([
    ["=1+1", "\\u{3D}1+1"],
    ['=HYPERLINK("x","y")', '"\\u{3D}HYPERLINK(""x"",""y"")"'],
    [" '@SUM(1)", " '\\u{40}SUM(1)"],
    ["＝1", "\\u{FF1D}1"],
    ["\t-1", "\\u{9}-1"],
    ["a;+1", "a;\\u{2B}1"],
    ["-3.5", "\\u{2D}3.5"],
    [-3.5, "-3.5"],
    ["a=b, c-d", '"a=b, c-d"'],
    [true, "true"],
    [null, ""],
  ])("writes %j as %s", (value, cell) => {
    expect(csvText(fields, [[value, 0]])).toBe(`hostname,rttMs\r\n${cell},0\r\n`);
  });
});
