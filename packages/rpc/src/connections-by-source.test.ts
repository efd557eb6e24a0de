import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionsBySource, oldestOf } from "./connections-by-source.ts";
import { networkOf } from "./source.ts";

interface Connection {
  readonly source: (typeof SOURCES)[number] | string;
  readonly at: number;
}

/** Three of two networks. */
const SOURCES = ["192.0.2.1", "192.0.2.2", "198.51.100.1"] as const;

const coming = fc.array(fc.record({ source: fc.constantFrom(...SOURCES), goes: fc.boolean() }), { maxLength: 60 });

describe("connections by source", () => {
  it("never exceed their bounds; the evicted one is of a network with the most connections", () => {
    fc.assert(
      fc.property(coming, fc.nat({ max: 6 }), fc.nat({ max: 6 }), (steps, more, moreOfSource) => {
        const bounds = { max: more + 1, perSourceMax: moreOfSource + 1 };
        const set = new ConnectionsBySource<Connection>(bounds, oldestOf);
        let kept: Connection[] = [];
        for (const [at, { source, goes }] of steps.entries()) {
          const [first] = kept;
          if (goes && first !== undefined) {
            expect(set.delete(first)).toBe(true);
            kept = kept.slice(1);
            continue;
          }
          kept.push({ source, at });
          const victim = set.add(kept.at(-1) as Connection);
          const counts = new Map<string, number>(
            SOURCES.map((name) => [name, kept.filter((one) => one.source === name).length]),
          );
          const networkCount = (of: string) => kept.filter((one) => networkOf(one.source) === networkOf(of)).length;
          if (victim !== undefined) {
            const isOverSource = (counts.get(source) ?? 0) > bounds.perSourceMax;
            const most = Math.max(...SOURCES.map(networkCount));
            expect(isOverSource ? victim.source === source : networkCount(victim.source) === most).toBe(true);
            expect(victim).toBe(kept.find((one) => one.source === victim.source));
            kept = kept.filter((one) => one !== victim);
          } else {
            expect(kept.length).toBeLessThanOrEqual(bounds.max);
            expect(counts.get(source)).toBeLessThanOrEqual(bounds.perSourceMax);
          }
          expect(set.size).toBe(kept.length);
        }
      }),
    );
  });

  it("of one source are not evicted when another network opens many", () => {
    const set = new ConnectionsBySource<Connection>({ max: 100, perSourceMax: 100 }, oldestOf);
    const honest = { source: "192.0.2.1", at: 0 };
    set.add(honest);
    for (let at = 1; at < 1_000; at += 1) set.add({ source: `2001:db8:1:${at.toString(16)}`, at });
    expect([set.size, set.has(honest)]).toEqual([100, true]);
  });

  it("report whether a removed connection was there", () => {
    const set = new ConnectionsBySource<Connection>({ max: 2, perSourceMax: 2 }, oldestOf);
    const one = { source: "a", at: 0 };
    expect(set.delete(one)).toBe(false);
    set.add(one);
    expect([set.delete(one), set.delete(one), set.size]).toEqual([true, false, 0]);
  });
});
