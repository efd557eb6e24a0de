import { setImmediate as nextTurn } from "node:timers/promises";
import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { NodeScheduler, type Owner, type WorkKind } from "./node-scheduler.ts";
import { createQuota } from "./quota.ts";
import { TIME_RATE } from "./quota-limits.ts";

/**
 * A scheduler on a manual clock. Each piece of work advances the clock by its duration; `done` lists whose work ran, in
 * order.
 */
function schedulerFixture() {
  const clock = manualClock(0);
  const scheduler = new NodeScheduler(clock);
  const done: string[] = [];
  const owner = (nodeId: string): Owner => ({ nodeId, quota: createQuota() });
  const work = (of: Owner, takesMs: number, kind: WorkKind = "report") =>
    scheduler.run(kind, of, () => {
      clock.advance(takesMs);
      done.push(of.nodeId);
      return takesMs;
    });
  return { scheduler, done, owner, work };
}

describe("turns at the main thread", () => {
  it("return or throw what the work does, and charge its time to the node", async () => {
    const { scheduler, owner, work } = schedulerFixture();
    const node = owner("n1");
    expect(await work(node, 30)).toBe(30);
    await expect(
      scheduler.run("report", node, () => {
        throw new RangeError("no");
      }),
    ).rejects.toBeInstanceOf(RangeError);
    expect(node.quota.workNs).toBe(30e6);
    expect(node.quota.time.left(0)).toBe(TIME_RATE.capacity - 30e6);
  });

  it("never run synchronously, because the caller may not be done", async () => {
    const { done, owner, work } = schedulerFixture();
    const result = work(owner("n1"), 1);
    await Promise.resolve();
    expect(done).toEqual([]);
    await result;
  });

  it("yield to the event loop after a slice, however much waits", async () => {
    const { done, owner, work } = schedulerFixture();
    const node = owner("n1");
    const all = Array.from({ length: 20 }, () => work(node, 10));
    const seen: number[] = [];
    for (let rounds = 0; rounds < 10; rounds++) {
      await nextTurn();
      seen.push(done.length);
    }
    // One piece that takes longer than a slice at a time.
    expect(seen).toEqual(seen.map((_, at) => (seen[0] ?? 0) + at));
    await Promise.all(all);
  });

  it("let a modest node's report wait for at most one piece of each other, however long its own judging took", async () => {
    const { done, owner, work } = schedulerFixture();
    const greedy = Array.from({ length: 16 }, (_, at) => owner(`greedy ${at}`));
    const all = greedy.flatMap((node) => Array.from({ length: 8 }, () => work(node, 9)));
    while (done.length < 64) await nextTurn();
    const modest = owner("modest");
    await work(modest, 50, "judging");
    const before = done.length;
    await work(modest, 1);
    // Every eighth turn goes to the owner that has waited longest.
    expect(done.length - before).toBeLessThanOrEqual(3);
    await Promise.all(all);
  });
});
