import { describe, expect, it } from "vitest";
import { textTable } from "./text-table.ts";

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
