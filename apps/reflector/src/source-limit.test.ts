import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSourceLimit } from "./source-limit.ts";

const SECOND_NS = 1e9;

describe("the limit of a source", () => {
  it("begins anew with each second and apart for each source", () => {
    const limit = createSourceLimit(2);
    expect([0, 1, 2].map((ns) => limit.admit("a", ns))).toEqual([true, true, false]);
    expect(limit.admit("b", 3)).toBe(true);
    expect(limit.admit("a", SECOND_NS - 1)).toBe(false);
    expect(limit.admit("a", SECOND_NS)).toBe(true);
  });

  it("never admits more than its share within a second that it began", () => {
    const arrivals = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(SECOND_NS)), { maxLength: 60 });
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 5 }), (steps, share) => {
        const limit = createSourceLimit(share);
        const admitted: { source: string; ns: number }[] = [];
        let ns = 0;
        for (const [source, stepNs] of steps) {
          ns += stepNs;
          if (limit.admit(source, ns)) admitted.push({ source, ns });
        }
        for (const { source, ns: since } of admitted) {
          const within = admitted.filter((other) => other.source === source && other.ns >= since);
          // Two neighbouring seconds may both be spent at their common edge.
          expect(within.filter((other) => other.ns < since + SECOND_NS).length).toBeLessThanOrEqual(2 * share);
        }
      }),
    );
  });

  it("forgets the source whose second began first when full, and counts it only if that was not over (S2)", () => {
    const limit = createSourceLimit(1, 2);
    limit.admit("a", 0);
    limit.admit("b", 1);
    limit.admit("c", 2);
    expect(limit.evictions()).toBe(1);
    expect(limit.admit("b", 3)).toBe(false);
    expect(limit.admit("a", 4)).toBe(true);
    expect(limit.admit("d", 3 * SECOND_NS)).toBe(true);
    expect(limit.evictions()).toBe(2);
  });
});
