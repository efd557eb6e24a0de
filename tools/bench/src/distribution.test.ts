import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { distributionOf, quantile, ratioTo } from "./distribution.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

describe("nearest-rank quantiles", () => {
  it.each([
    [1, 0.5, 1],
    [1, 0.99, 1],
    [4, 0.5, 2],
    [5, 0.5, 3],
    [10, 0.9, 9],
    [100, 0.55, 55],
    [100, 0.99, 99],
    [200, 0.99, 198],
    [201, 0.99, 199],
    [200, 0, 1],
    [200, 1, 200],
  ])("of 1…%d at %d is %d", (n, ratio, figure) => {
    expect(quantile(upTo(n), ratio)).toBe(figure);
  });

  it("are the smallest figure of the set that at least the requested share does not exceed", () => {
    const figures = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(figures, fc.integer({ min: 1, max: 99 }), (list, percent) => {
        const figure = quantile(
          [...list].sort((a, b) => a - b),
          percent / 100,
        );
        const share = (limit: (other: number) => boolean) => list.filter(limit).length * 100;
        expect(list).toContain(figure);
        expect(share((other) => other <= figure)).toBeGreaterThanOrEqual(percent * list.length);
        expect(share((other) => other < figure)).toBeLessThan(percent * list.length);
      }),
    );
  });

  it("of nothing are a defect", () => {
    expect(() => quantile([], 0.5)).toThrow("quantile of nothing");
  });
});

describe("a distribution", () => {
  it("does not depend on the order of its figures, and keeps their signs", () => {
    expect(distributionOf([3, -5, 1])).toEqual({ n: 3, min: -5, p50: 1, p90: 3, p99: 3, max: 3 });
  });
});

describe("a ratio to a peer", () => {
  it.each([
    [0.02, 0.46, 0.02 / 0.46],
    [-0.02, 0.04, 0.5],
    [0.02, -0.04, 0.5],
    [0, 0.4, 0],
    [0.4, 0, undefined],
  ])("of %d to %d is %d", (figure, peer, ratio) => {
    expect(ratioTo(figure, peer)).toBe(ratio);
  });
});
