import { manualClock, NS_PER_MS } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { RetentionGuard, type SampledNode } from "./retention-guard.ts";

const NOW_MS = Date.parse("2026-11-26T06:00:00Z");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const TWO_YEARS_MS = 730 * DAY_MS;

/** A collector and its nodes, given by how far each node's clock is ahead of the time it is, ms. */
function guardOf(aheadMs: readonly number[]) {
  const clock = manualClock(NOW_MS);
  const nodes = new Map<string, SampledNode>();
  const guard = new RetentionGuard(clock, nodes);
  let reporting = aheadMs;
  const trueMs = () => NOW_MS + clock.monotonicNs() / NS_PER_MS;
  return {
    clock,
    /** From now on these nodes report. */
    reportFrom(now: readonly number[]) {
      reporting = now;
    },
    fleetMs: () => (guard.fleetMs() ?? Number.NaN) - trueMs(),
    /** Lets minutes pass, each with a sample from every node and a check; gives what the last one found. */
    pass(minutes: number) {
      let found = "";
      for (let minute = 0; minute < minutes; minute++) {
        clock.advance(MINUTE_MS);
        for (const [at, ahead] of reporting.entries()) {
          nodes.set(`n${at}`, { roughClockSample: { sentMs: trueMs() + ahead, atNs: clock.monotonicNs() } });
        }
        const result = guard.check();
        found = result.kind === "open" ? `open at ${result.nowMs - trueMs()}` : result.reason;
      }
      return found;
    },
  };
}

describe("the retention guard", () => {
  it("opens an hour after the start", () => {
    const { pass } = guardOf([0]);
    expect([pass(59), pass(1)]).toEqual(["starting", "open at 0"]);
  });

  it.each([
    ["one node at 1970", [-NOW_MS], "clocks-differ"],
    ["one node at 2040", [Date.parse("2040-01-01") - NOW_MS], "clocks-differ"],
    ["a node at 1970 beside one that is right", [0, -NOW_MS], "clocks-differ"],
    ["a node at 2040 beside one that is right", [TWO_YEARS_MS, 0], "clocks-differ"],
    ["a node at 1970 and one at 2040 beside one that is right", [-NOW_MS, TWO_YEARS_MS, 0], "open at 0"],
    ["a node at 1970 beside two that are right", [0, -NOW_MS, 0], "open at 0"],
    ["a node that is a day ahead", [DAY_MS], "clocks-differ"],
    ["a node that is a day behind", [-DAY_MS], "clocks-differ"],
    ["a node that is less than a day ahead", [DAY_MS - 1], "open at 0"],
    ["a node that is less than a day behind", [1 - DAY_MS], "open at 0"],
    ["no node", [], "too-few-reports"],
  ])("with %s", (_, aheadMs, found) => {
    expect(guardOf(aheadMs).pass(61)).toBe(found);
  });

  it.each([
    ["forward", TWO_YEARS_MS],
    ["back", -TWO_YEARS_MS],
  ])("stays closed while the collector's clock is set %s, and opens an hour after it is right again", (_, stepMs) => {
    const { clock, pass } = guardOf([0]);
    pass(61);
    clock.stepWall(stepMs);
    expect([pass(1), pass(600)]).toEqual(["clocks-differ", "clocks-differ"]);
    clock.stepWall(-stepMs);
    expect([pass(1), pass(59), pass(1)]).toEqual(["clock-stepped", "clock-stepped", "open at 0"]);
  });

  it("stays closed for an hour after all clocks were set at once", () => {
    const { clock, reportFrom, pass } = guardOf([0]);
    pass(61);
    clock.stepWall(TWO_YEARS_MS);
    reportFrom([TWO_YEARS_MS]);
    expect(pass(60)).toBe("clock-stepped");
    clock.stepWall(-TWO_YEARS_MS);
    reportFrom([0]);
    expect([pass(60), pass(1)]).toEqual(["clock-stepped", "open at 0"]);
  });

  it("takes a minute between two checks for no step, and more for one", () => {
    const { clock, pass } = guardOf([0]);
    pass(61);
    clock.stepWall(MINUTE_MS);
    expect(pass(1)).toBe(`open at ${MINUTE_MS}`);
    clock.stepWall(-MINUTE_MS - 1);
    expect(pass(1)).toBe("clock-stepped");
  });

  it("compares the collector with the nodes that reported within the hour", () => {
    const { reportFrom, pass, fleetMs } = guardOf([0]);
    pass(61);
    reportFrom([]);
    expect([pass(60), pass(1)]).toEqual(["open at 0", "too-few-reports"]);
    expect(fleetMs()).toBeNaN();
  });

  it("stays shut while fewer than half of the nodes of the last week report", () => {
    const { clock, reportFrom, pass, fleetMs } = guardOf([0, 0, 0]);
    pass(61);
    clock.stepWall(TWO_YEARS_MS);
    // By the collector's wrong clock only its certificate has not ended.
    reportFrom([TWO_YEARS_MS]);
    expect(pass(60)).toBe("clocks-differ");
    expect(fleetMs()).toBe(0);
    expect(pass(60)).toBe("too-few-reports");
    expect(pass(6 * 24 * 60)).toBe("too-few-reports");
  });

  it("opens again a week after the fleet has shrunk by more than half", () => {
    const { reportFrom, pass } = guardOf([0, 0, 0]);
    pass(61);
    reportFrom([0]);
    expect([pass(7 * 24 * 60), pass(1)]).toEqual(["too-few-reports", "open at 0"]);
  });
});
