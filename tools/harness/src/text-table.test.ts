import { describe, expect, it } from "vitest";
import { ratioText, textTable } from "./text-table.ts";

describe("a table", () => {
  it("puts the first column to the left and figures to the right", () => {
    expect(
      textTable([
        ["ms", "p50", "max"],
        ["fping", "0.1", "12.25"],
      ]),
    ).toBe("ms     p50    max\nfping  0.1  12.25");
  });
});

describe("a ratio", () => {
  it.each([
    [undefined, "–"],
    [0.054, "0.05×"],
    [9.99, "9.99×"],
    [24.04, "24.0×"],
    [487.2, "487×"],
  ])("%s is shown as %s", (ratio, text) => {
    expect(ratioText(ratio)).toBe(text);
  });
});
