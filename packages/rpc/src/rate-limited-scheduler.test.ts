import { type Clock, type ManualClock, manualClock, NS_PER_MS } from "@lifeline/measure";
import { beforeEach, describe, expect, it } from "vitest";
import { BUDGET_SOURCES_MAX, RateLimitedScheduler, UNAUTHENTICATED_ALLOWANCES } from "./rate-limited-scheduler.ts";

const { all: ALL_ALLOWANCE, source: SOURCE_ALLOWANCE } = UNAUTHENTICATED_ALLOWANCES;

let clock: ManualClock;
/** Time that all work has taken. The monotonic clock shows it; no timer fires for it. */
let workedMs: number;
let scheduler: RateLimitedScheduler;
let done: string[];
beforeEach(() => {
  clock = manualClock(0);
  workedMs = 0;
  scheduler = new RateLimitedScheduler(working(), UNAUTHENTICATED_ALLOWANCES);
  done = [];
});

/** The clock, with the time of the work added. */
function working(): Clock {
  const monotonicNs = () => clock.monotonicNs() + workedMs * NS_PER_MS;
  return { ...clock, monotonicNs, threadCpuNs: monotonicNs };
}

/** Schedules work that takes so long. */
const schedule = (source: string, ms: number, name = source, hasBegun = false) =>
  scheduler.schedule(source, hasBegun, () => {
    done.push(name);
    workedMs += ms;
  });

/** Lets all work run that may run now. */
const settle = async () => {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe("a rate-limited scheduler", () => {
  it("runs the first work synchronously", () => {
    schedule("a", 1);
    expect(done).toEqual(["a"]);
  });

  it("takes sources in turn, however much work one of them has", async () => {
    for (let at = 0; at < 4; at += 1) schedule("a", 1, `a${at}`);
    schedule("b", 1);
    await settle();
    expect(done).toEqual(["a0", "a1", "b", "a2", "a3"]);
  });

  it("takes groups in turn, however many of their sources have work", async () => {
    scheduler = new RateLimitedScheduler(working(), UNAUTHENTICATED_ALLOWANCES, (name) => name.slice(0, 1));
    for (let at = 0; at < 4; at += 1) schedule(`a${at}`, 1);
    schedule("b", 1);
    await settle();
    expect(done).toEqual(["a0", "a1", "b", "a2", "a3"]);
  });

  it("runs work of open connections before new ones of the same source", async () => {
    for (const [name, hasBegun] of [
      ["first", false],
      ["fresh", false],
      ["begun", true],
    ] as const)
      schedule("a", 1, name, hasBegun);
    await settle();
    expect(done).toEqual(["first", "begun", "fresh"]);
  });

  it.each([
    [true, ["dear"]],
    [false, ["dear", "later"]],
  ])("counts the time of work that a call starts when exact is %s", async (isExact, expected) => {
    const counting = new RateLimitedScheduler(working(), { ...UNAUTHENTICATED_ALLOWANCES, isExact });
    counting.schedule("a", false, () => {
      done.push("dear");
      process.nextTick(() => Promise.resolve().then(() => (workedMs += 3 * SOURCE_ALLOWANCE.capacityMs)));
    });
    await settle();
    // By then the debt of all sources together is paid.
    clock.advance((3 * SOURCE_ALLOWANCE.capacityMs * 1_000) / ALL_ALLOWANCE.msPerS);
    counting.schedule("a", false, () => done.push("later"));
    await settle();
    expect(done).toEqual(expected);
  });

  it("delays only the source that has used its allowance", async () => {
    const { capacityMs, msPerS } = SOURCE_ALLOWANCE;
    // One piece of work may leave a debt: of its source, and of all sources together.
    const debtMs = 2 * capacityMs;
    schedule("a", capacityMs + debtMs, "dear");
    await settle();
    schedule("a", 1, "a");
    schedule("b", 1);
    await settle();
    expect(done).toEqual(["dear"]);
    clock.advance((debtMs / ALL_ALLOWANCE.msPerS) * 1_000);
    await settle();
    expect(done).toEqual(["dear", "b"]);
    clock.advance((debtMs / msPerS) * 1_000);
    await settle();
    expect(done).toEqual(["dear", "b", "a"]);
  });

  it("uses at most half of the time, however many sources have work", async () => {
    const again = (source: string) => () => {
      workedMs += 10;
      scheduler.schedule(source, true, again(source));
    };
    for (let at = 0; at < 500; at += 1) scheduler.schedule(`s${at}`, false, again(`s${at}`));
    for (let round = 0; round < 100; round += 1) {
      await settle();
      clock.advance(10);
    }
    const { capacityMs, msPerS } = ALL_ALLOWANCE;
    const elapsedMs = 1_000 + workedMs;
    expect(workedMs).toBeGreaterThan(0.5 * (capacityMs + (elapsedMs * msPerS) / 1_000));
    expect(workedMs).toBeLessThan(10 + capacityMs + (elapsedMs * msPerS) / 1_000);
  });

  it("never runs cancelled work, and sets no timer for it", async () => {
    schedule("a", 3 * SOURCE_ALLOWANCE.capacityMs);
    await settle();
    const work = () => done.push("cancelled");
    scheduler.schedule("a", false, work);
    expect(scheduler.waiting).toBe(1);
    scheduler.cancel("a", work);
    expect(scheduler.waiting).toBe(0);
    clock.advance(1e9);
    await settle();
    expect(done).toEqual(["a"]);
  });

  it("keeps a bounded number of sources, and drops those without a debt first", async () => {
    schedule("debtor", 2 * SOURCE_ALLOWANCE.capacityMs);
    await settle();
    clock.advance((2 * SOURCE_ALLOWANCE.capacityMs * 1_000) / ALL_ALLOWANCE.msPerS);
    for (let at = 0; at < BUDGET_SOURCES_MAX + 10; at += 1) {
      schedule(`s${at}`, 0);
      await Promise.resolve();
    }
    await settle();
    expect(scheduler.sources).toBe(BUDGET_SOURCES_MAX);
    done = [];
    schedule("debtor", 1);
    await settle();
    expect(done).toEqual([]);
  });
});
