import { visibleText } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { displayWidth, padded, proseLines, truncateEnd, truncateMiddle } from "./display-width.ts";
import { type Column, tableLines } from "./table.ts";
import { ageText, durationsText, durationText, lossText } from "./units.ts";

const anyText = fc.string({ unit: "grapheme", maxLength: 40 }).map(visibleText);
const anyWidth = fc.integer({ min: 1, max: 60 });

describe("fitting text to columns", () => {
  it("never takes more columns than given, and keeps what fits", () => {
    fc.assert(
      fc.property(anyText, anyWidth, (text, width) => {
        for (const cut of [truncateEnd(text, width), truncateMiddle(text, width)]) {
          expect(displayWidth(cut)).toBeLessThanOrEqual(width);
          if (displayWidth(text) <= width) expect(cut).toBe(text);
        }
        expect(displayWidth(padded(truncateEnd(text, width), width, "left"))).toBe(width);
      }),
    );
  });

  it("wraps without a line too wide, and without losing a word that fits", () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(words, fc.integer({ min: 8, max: 40 }), (list, width) => {
        const lines = proseLines(list.join(" "), width);
        expect(lines.join(" ")).toBe(list.join(" "));
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });

  it.each([
    ["plain", 5],
    ["Zürich", 6],
    ["e\u0301", 1],
    ["漢字", 4],
    ["👩‍👩‍👧", 2],
    ["✓ met", 5],
    ["…", 1],
  ])("counts %s as %i columns", (text, columns) => {
    expect(displayWidth(text)).toBe(columns);
  });

  it("keeps the port when an endpoint is cut", () => {
    expect(truncateMiddle("account.siderolink.omni.siderolabs.io:443", 16)).toBe("account…s.io:443");
  });
});

describe("a table", () => {
  const columns: Column<readonly [string, string]>[] = [
    { title: "NAME", text: ([name]) => name, shrinkTo: 4 },
    { title: "FIGURE", text: ([, figure]) => figure, align: "right" },
  ];
  const rows = fc.array(fc.tuple(anyText, anyText), { maxLength: 6 });

  it("has no line wider than the terminal, whatever stands in it", () => {
    fc.assert(
      fc.property(rows, anyWidth, (cells, width) => {
        for (const line of tableLines(columns, cells, { width, color: false })) {
          expect(displayWidth(line)).toBeLessThanOrEqual(width);
        }
      }),
    );
  });

  it("has one line for each row, and never a hidden character of a cell", () => {
    const hostile = fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), { maxLength: 6 });
    fc.assert(
      fc.property(hostile, (cells) => {
        const lines = tableLines(columns, cells, { width: undefined, color: false });
        expect(lines).toHaveLength(cells.length + 1);
        for (const line of lines) expect(visibleText(line)).toBe(line);
      }),
    );
  });
});

describe("figures", () => {
  it.each([
    [null, "—"],
    [0, "0.00 ms"],
    [420_000, "0.42 ms"],
    [9_996_000, "10.0 ms"],
    [12_300_000, "12.3 ms"],
    [345_000_000, "345 ms"],
    [1_230_000_000, "1.23 s"],
  ])("a duration of %s ns reads %s", (ns, text) => {
    expect(durationText(ns)).toBe(text);
  });

  it("several durations share their unit; one that is not known stays open (M4)", () => {
    expect(durationsText([420_000, 12_300_000, null])).toBe("0.42/12.3/— ms");
    expect(durationsText([null, null, null])).toBe("—");
  });

  it.each<[number | null, [number, number], string]>([
    [0, [0, 0.2775], "0 % (0–28 %)"],
    [1, [0.7225, 1], "100 % (72–100 %)"],
    [0.997, [0.99, 0.9999], "99 % (99–99 %)"],
    [0.0123, [0.004, 0.05], "1.2 % (0.4–5 %)"],
    [0.00001, [0.000001, 0.0002], "<0.01 % (<0.01–0.02 %)"],
    [null, [0, 1], "—"],
  ])("a loss of %s reads %s %s", (ratio, interval, text) => {
    expect(lossText(ratio, interval)).toBe(text);
  });

  it.each([
    [-5, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [3_600_000, "1 h"],
    [47 * 3_600_000, "47 h"],
    [48 * 3_600_000, "2 d"],
  ])("an age of %i ms reads %s", (ms, text) => {
    expect(ageText(ms)).toBe(text);
  });
});
