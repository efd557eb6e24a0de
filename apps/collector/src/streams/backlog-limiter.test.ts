import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BacklogLimiter,
  HIGH_WATERMARK,
  LOW_WATERMARK,
  MAX_UNDER_WAY,
  MAX_WAITING_BYTES,
  MAX_WAITING_REPORTS,
  type WaitingReport,
} from "./backlog-limiter.ts";

/** A limiter whose load the test sets, and the numbers of the reports that had their turn, in order. */
function limiterWithLoad() {
  const at = { load: 0 };
  const limiter = new BacklogLimiter(() => at.load);
  const went: number[] = [];
  const wait = (number: number, bytes = 1): WaitingReport => {
    const waiting = limiter.wait(bytes);
    void waiting.turn.then((hasTurn) => hasTurn && went.push(number));
    return waiting;
  };
  return { at, limiter, went, wait };
}
const turns = () => new Promise((resolve) => setImmediate(resolve));

describe("the backlog limiter", () => {
  it("closes at the high watermark and opens only at the low one", () => {
    const { at, limiter } = limiterWithLoad();
    const isOpen = (load: number) => {
      at.load = load;
      const entered = limiter.enter();
      if (entered) limiter.leave();
      return entered;
    };
    const between = (HIGH_WATERMARK + LOW_WATERMARK) / 2;
    expect([0, between, HIGH_WATERMARK, between, LOW_WATERMARK, between, 1, between].map(isOpen)).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it("admits reports in the order in which they arrived", async () => {
    const { at, limiter, went, wait } = limiterWithLoad();
    at.load = 1;
    expect(limiter.enter()).toBe(false);
    for (const number of [1, 2, 3]) wait(number);
    at.load = 0;
    // None that arrived after them goes first, though the limiter would be open.
    expect(limiter.enter()).toBe(false);
    limiter.review();
    await turns();
    expect(went).toEqual([1, 2, 3]);
    expect(limiter.waiting).toBe(0);
    expect(limiter.enter()).toBe(true);
  });

  it("admits as many as may be under way, and one more for each that leaves", async () => {
    const { at, limiter, went, wait } = limiterWithLoad();
    at.load = 1;
    limiter.enter();
    for (let number = 0; number < MAX_UNDER_WAY + 10; number++) wait(number);
    at.load = 0;
    limiter.review();
    await turns();
    expect(went).toHaveLength(MAX_UNDER_WAY);
    limiter.leave();
    await turns();
    expect(went).toHaveLength(MAX_UNDER_WAY + 1);
  });

  it("says when it is full, in reports and in bytes, and when there is room again", async () => {
    const { at, limiter, wait } = limiterWithLoad();
    at.load = 1;
    const waiting = Array.from({ length: MAX_WAITING_REPORTS }, (_, number) => wait(number));
    const room = limiter.room();
    expect(room).toBeInstanceOf(Promise);
    waiting[0]?.giveUp();
    await room;
    expect(limiter.room()).toBeUndefined();
    const large = wait(-1, MAX_WAITING_BYTES);
    expect(limiter.room()).toBeInstanceOf(Promise);
    large.giveUp();
    large.giveUp();
    expect(limiter.room()).toBeUndefined();
    expect(limiter.waiting).toBe(MAX_WAITING_REPORTS - 1);
  });

  it("gives each report exactly one turn, whatever the load and whichever gives up", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("come" as const) }),
      fc.record({ kind: fc.constant("give up" as const), which: fc.nat({ max: 50 }) }),
      fc.record({ kind: fc.constant("load" as const), load: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant("leave" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
        const { at, limiter, went, wait } = limiterWithLoad();
        const all: WaitingReport[] = [];
        let left = 0;
        for (const one of steps) {
          if (one.kind === "come") all.push(wait(all.length));
          else if (one.kind === "give up") all[one.which]?.giveUp();
          else if (one.kind === "load") at.load = one.load;
          else if (left < went.length) {
            left++;
            limiter.leave();
          }
          limiter.review();
          await Promise.resolve();
          await Promise.resolve();
        }
        at.load = 0;
        limiter.review();
        const settled = await Promise.all(all.map(({ turn }) => turn));
        expect(went).toEqual(all.flatMap((_, number) => (settled[number] ? [number] : [])));
        expect(limiter.waiting).toBe(0);
      }),
    );
  });
});
