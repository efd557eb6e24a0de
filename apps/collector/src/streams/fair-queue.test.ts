import { manualClock } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue, HALF_LIFE_MS, OLDEST_EVERY } from "./fair-queue.ts";

/** A queue of costs, and who is served next, each at its cost. */
function queueOf(clock = manualClock(0)) {
  const queue = new FairQueue<{ owner: string; cost: number }>(clock, 1);
  const served: string[] = [];
  const use = ({ owner, cost }: { owner: string; cost: number }) => {
    served.push(owner);
    return cost;
  };
  return {
    clock,
    queue,
    push(owner: string, cost: number, times = 1) {
      for (let at = 0; at < times; at++) queue.push(owner, { owner, cost });
    },
    serve(most: number): string[] {
      served.length = 0;
      while (served.length < most && queue.serve(use));
      return [...served];
    },
  };
}

describe("a fair queue", () => {
  it("gives owners that use alike a turn each", () => {
    const { push, serve } = queueOf();
    for (const owner of ["a", "b", "c"]) push(owner, 1, 3);
    expect(serve(9).join("")).toBe("abcabcabc");
  });

  it("serves the owner that used least, however many others wait, and for however long", () => {
    const { push, serve } = queueOf();
    for (let at = 0; at < 16; at++) push(`greedy ${at}`, 9, 64);
    serve(OLDEST_EVERY * 20);
    push("modest", 1, 6);
    expect(serve(5)).toEqual(Array(5).fill("modest"));
  });

  it("gives the heaviest owners equal use", () => {
    const { push, serve } = queueOf();
    const costs = { a: 1, b: 4, c: 16 };
    for (const [owner, cost] of Object.entries(costs)) push(owner, cost, 10_000);
    const order = serve(7_000);
    const used = Object.entries(costs).map(([owner, cost]) => cost * order.filter((one) => one === owner).length);
    // Use is compared by powers of two, and every eighth turn goes to the owner that has waited longest.
    expect(Math.max(...used) / Math.min(...used)).toBeLessThan(4);
  });

  it("lets no owner wait for ever", () => {
    const { push, serve } = queueOf();
    push("greedy", 1_000_000, 2);
    expect(serve(1)).toEqual(["greedy"]);
    push("modest", 0.01, 100);
    expect(serve(OLDEST_EVERY)).toContain("greedy");
  });

  it("counts half of what was used, and in the end drops the owner", () => {
    const { clock, push, serve } = queueOf();
    push("greedy", 64);
    serve(1);
    clock.advance(5 * HALF_LIFE_MS);
    push("other", 4);
    serve(1);
    push("other", 1);
    push("greedy", 1);
    // 64 of so long ago are 2, and less than 4 of now.
    expect(serve(1)).toEqual(["greedy"]);
  });

  it("loses nothing, keeps each owner's order, and knows its size", () => {
    const anyItems = fc.array(
      fc.record({ owner: fc.constantFrom("a", "b", "c"), cost: fc.double({ min: 0, max: 99, noNaN: true }) }),
    );
    fc.assert(
      fc.property(anyItems, (items) => {
        const queue = new FairQueue<{ owner: string; cost: number; at: number }>(manualClock(0), 1);
        for (const [at, item] of items.entries()) queue.push(item.owner, { ...item, at });
        expect(queue.size).toBe(items.length);
        const out: { owner: string; at: number }[] = [];
        while (queue.serve((item) => out.push(item) * 0 + item.cost));
        for (const owner of ["a", "b", "c"]) {
          const order = out.filter((item) => item.owner === owner).map(({ at }) => at);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
        }
        expect(out).toHaveLength(items.length);
        expect(queue.size).toBe(0);
      }),
    );
  });

  it("returns everything that waits when it is cleared", () => {
    const { queue, push, serve } = queueOf();
    for (const owner of ["a", "b", "a"]) push(owner, 1);
    expect(queue.clear().map(({ owner }) => owner)).toEqual(["a", "a", "b"]);
    expect([queue.size, serve(1)]).toEqual([0, []]);
  });
});
