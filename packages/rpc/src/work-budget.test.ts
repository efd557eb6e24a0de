import { type Clock, type ManualClock, manualClock, NS_PER_MS } from "@lifeline/measure";
import { beforeEach, describe, expect, it } from "vitest";
import { BUDGET_SOURCES_MAX, UNAUTHENTICATED_ALLOWANCES, WorkBudget } from "./work-budget.ts";

const { all: ALL_ALLOWANCE, source: SOURCE_ALLOWANCE } = UNAUTHENTICATED_ALLOWANCES;

let clock: ManualClock;
/** What all work so far has taken: it passes by the monotonic clock, and wakes no timer. */
let workedMs: number;
let budget: WorkBudget;
let done: string[];
beforeEach(() => {
  clock = manualClock(0);
  workedMs = 0;
  budget = new WorkBudget(working(), UNAUTHENTICATED_ALLOWANCES);
  done = [];
});

/** The clock, on which the work has passed as well. */
function working(): Clock {
  const monotonicNs = () => clock.monotonicNs() + workedMs * NS_PER_MS;
  return { ...clock, monotonicNs, threadCpuNs: monotonicNs };
}

/** Asks for work that takes so long. */
const ask = (source: string, ms: number, name = source, hasBegun = false) =>
  budget.ask(source, hasBegun, () => {
    done.push(name);
    workedMs += ms;
  });

/** Lets everything run that may run now. */
const settle = async () => {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe("a budget of work", () => {
  it("lets who comes first work at once, before anything else happens", () => {
    ask("a", 1);
    expect(done).toEqual(["a"]);
  });

  it("gives sources turns, however many wait at one of them", async () => {
    for (let at = 0; at < 4; at += 1) ask("a", 1, `a${at}`);
    ask("b", 1);
    await settle();
    expect(done).toEqual(["a0", "a1", "b", "a2", "a3"]);
  });

  it("gives groups turns, however many of their sources wait", async () => {
    budget = new WorkBudget(working(), UNAUTHENTICATED_ALLOWANCES, (name) => name.slice(0, 1));
    for (let at = 0; at < 4; at += 1) ask(`a${at}`, 1);
    ask("b", 1);
    await settle();
    expect(done).toEqual(["a0", "a1", "b", "a2", "a3"]);
  });

  it("finishes what was begun before it begins more of the same source", async () => {
    for (const [name, hasBegun] of [
      ["first", false],
      ["fresh", false],
      ["begun", true],
    ] as const)
      ask("a", 1, name, hasBegun);
    await settle();
    expect(done).toEqual(["first", "begun", "fresh"]);
  });

  it.each([
    [true, ["dear"]],
    [false, ["dear", "later"]],
  ])("counts what calls begin to do: %s", async (isExact, expected) => {
    const counting = new WorkBudget(working(), { ...UNAUTHENTICATED_ALLOWANCES, isExact });
    counting.ask("a", false, () => {
      done.push("dear");
      process.nextTick(() => Promise.resolve().then(() => (workedMs += 3 * SOURCE_ALLOWANCE.capacityMs)));
    });
    await settle();
    // All of them together have paid their debt by then.
    clock.advance((3 * SOURCE_ALLOWANCE.capacityMs * 1_000) / ALL_ALLOWANCE.msPerS);
    counting.ask("a", false, () => done.push("later"));
    await settle();
    expect(done).toEqual(expected);
  });

  it("lets a source wait that has spent its allowance, and others go on", async () => {
    const { capacityMs, msPerS } = SOURCE_ALLOWANCE;
    // One piece of work may leave a debt, of the source and of all together.
    const debtMs = 2 * capacityMs;
    ask("a", capacityMs + debtMs, "dear");
    await settle();
    ask("a", 1, "a");
    ask("b", 1);
    await settle();
    expect(done).toEqual(["dear"]);
    clock.advance((debtMs / ALL_ALLOWANCE.msPerS) * 1_000);
    await settle();
    expect(done).toEqual(["dear", "b"]);
    clock.advance((debtMs / msPerS) * 1_000);
    await settle();
    expect(done).toEqual(["dear", "b", "a"]);
  });

  it("spends half of the time at most, however many sources have work", async () => {
    const again = (source: string) => () => {
      workedMs += 10;
      budget.ask(source, true, again(source));
    };
    for (let at = 0; at < 500; at += 1) budget.ask(`s${at}`, false, again(`s${at}`));
    for (let round = 0; round < 100; round += 1) {
      await settle();
      clock.advance(10);
    }
    const { capacityMs, msPerS } = ALL_ALLOWANCE;
    const elapsedMs = 1_000 + workedMs;
    expect(workedMs).toBeGreaterThan(0.5 * (capacityMs + (elapsedMs * msPerS) / 1_000));
    expect(workedMs).toBeLessThan(10 + capacityMs + (elapsedMs * msPerS) / 1_000);
  });

  it("never runs what was given up, and waits for nobody then", async () => {
    ask("a", 3 * SOURCE_ALLOWANCE.capacityMs);
    await settle();
    const work = () => done.push("given up");
    budget.ask("a", false, work);
    expect(budget.waiting).toBe(1);
    budget.giveUp("a", work);
    expect(budget.waiting).toBe(0);
    clock.advance(1e9);
    await settle();
    expect(done).toEqual(["a"]);
  });

  it("remembers so many sources, and a debt longer than what has none", async () => {
    ask("debtor", 2 * SOURCE_ALLOWANCE.capacityMs);
    await settle();
    clock.advance((2 * SOURCE_ALLOWANCE.capacityMs * 1_000) / ALL_ALLOWANCE.msPerS);
    for (let at = 0; at < BUDGET_SOURCES_MAX + 10; at += 1) {
      ask(`s${at}`, 0);
      await Promise.resolve();
    }
    await settle();
    expect(budget.sources).toBe(BUDGET_SOURCES_MAX);
    done = [];
    ask("debtor", 1);
    await settle();
    expect(done).toEqual([]);
  });
});
