import { describe, expect, it } from "vitest";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, backoffMs } from "./backoff.ts";

describe("the backoff", () => {
  it("has a maximum that doubles from 250 ms to 15 s, and stays there", () => {
    const ceilings = [0, 1, 2, 3, 4, 5, 6, 7, 1_000_000].map((failures) => backoffMs(failures, () => 1));
    expect(ceilings).toEqual([BACKOFF_FIRST_MS, 500, 1_000, 2_000, 4_000, 8_000, BACKOFF_MAX_MS, 15_000, 15_000]);
  });

  it("is spread from zero to the maximum, so that a fleet does not dial at the same time", () => {
    expect(backoffMs(3, () => 0)).toBe(0);
    expect(backoffMs(3, () => 0.5)).toBe(1_000);
  });
});
