import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionsBySource, oldestOf } from "./connections-by-source.ts";

interface Connection {
  readonly source: string;
  readonly at: number;
}

const coming = fc.array(fc.record({ source: fc.constantFrom("a", "b", "c"), goes: fc.boolean() }), { maxLength: 60 });

describe("connections by source", () => {
  it("are never more than their bounds, and whoever goes is of a source that has most", () => {
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
          const counts = new Map(
            ["a", "b", "c"].map((name) => [name, kept.filter((one) => one.source === name).length]),
          );
          if (victim !== undefined) {
            const most = Math.max(...counts.values());
            const isOverSource = (counts.get(source) ?? 0) > bounds.perSourceMax;
            expect(isOverSource ? victim.source === source : counts.get(victim.source) === most).toBe(true);
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

  it("say whether one was there", () => {
    const set = new ConnectionsBySource<Connection>({ max: 2, perSourceMax: 2 }, oldestOf);
    const one = { source: "a", at: 0 };
    expect(set.delete(one)).toBe(false);
    set.add(one);
    expect([set.delete(one), set.delete(one), set.size]).toEqual([true, false, 0]);
  });
});
