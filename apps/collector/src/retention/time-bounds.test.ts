import { manualClock, NS_PER_MS } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { createTimekeeper, QUORUM_WITHIN_MS, type TellingNode } from "./time-bounds.ts";

const NOW_MS = Date.parse("2026-11-26T06:00:00Z");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** A collector and nodes; all their clocks are right until told otherwise. */
function fleetOf(nodeCount: number) {
  const clock = manualClock(NOW_MS);
  const nodes = new Map<string, TellingNode>();
  for (let at = 0; at < nodeCount; at++) nodes.set(`n${at}`, { clockTold: undefined, isAwaited: true });
  const timekeeper = createTimekeeper(clock, nodes);
  const truth = () => NOW_MS + clock.monotonicNs() / NS_PER_MS;
  /** Nodes whose clocks are so far ahead of the truth, and that speak. */
  let speaking: readonly number[] = Array.from({ length: nodeCount }, () => 0);
  const tell = () => {
    for (const [at, aheadMs] of speaking.entries()) {
      nodes.set(`n${at}`, { clockTold: { sentMs: truth() + aheadMs, atNs: clock.monotonicNs() }, isAwaited: true });
    }
  };
  const look = () => {
    const bounds = timekeeper.look();
    return bounds && [bounds.earliestMs - truth(), bounds.latestMs - truth()];
  };
  return {
    clock,
    nodes,
    fleetMs: () => (timekeeper.fleetMs() ?? Number.NaN) - truth(),
    speak(aheadMs: readonly number[]) {
      speaking = aheadMs;
    },
    /** Minutes go by, in each of which the nodes speak and is looked; says how far the bounds are from the truth then. */
    pass(minutes: number) {
      for (let minute = 1; minute <= minutes; minute++) {
        clock.advance(MINUTE_MS);
        tell();
        if (minute < minutes) timekeeper.look();
      }
      return look();
    },
  };
}
const AHEAD = 40 * DAY_MS;

describe("what time it surely is", () => {
  it("is not known for an hour", () => {
    const { pass } = fleetOf(1);
    expect([pass(60), pass(1)]).toEqual([undefined, [0, 0]]);
  });

  it.each([
    ["the collector's clock, however long, ahead", 120, AHEAD, [0, 0, 0], [0, AHEAD]],
    ["the collector's clock, however long, behind", 120, -AHEAD, [0, 0, 0], [-AHEAD, 0]],
    ["fewer than half of the nodes, ahead", 120, 0, [0, 0, AHEAD], [0, 0]],
    ["half of the nodes, ahead", 120, 0, [0, AHEAD], [0, AHEAD]],
    ["half of the nodes, behind", 120, 0, [0, -AHEAD], [-AHEAD, 0]],
    ["the collector's clock and fewer than half of the nodes, ahead", 120, AHEAD, [0, 0, AHEAD], [0, AHEAD]],
    ["all clocks for less than an hour, ahead", 58, AHEAD, [AHEAD, AHEAD, AHEAD], [0, AHEAD]],
    ["all clocks for less than an hour, behind", 58, -AHEAD, [-AHEAD, -AHEAD, -AHEAD], [-AHEAD, 0]],
    ["all clocks for more than an hour, ahead", 62, AHEAD, [AHEAD, AHEAD, AHEAD], [AHEAD, AHEAD]],
  ])("is between bounds that lie around the truth, whatever is wrong: %s", (_, minutes, stepMs, aheadMs, want) => {
    const { clock, pass, speak } = fleetOf(aheadMs.length);
    expect(pass(61)).toEqual([0, 0]);
    clock.stepWall(stepMs);
    speak(aheadMs);
    expect(pass(minutes)).toEqual(want);
  });

  it("is known for an hour on from when all clocks were right, and not by one glance at the fleet", () => {
    const { clock, pass, speak } = fleetOf(1);
    pass(61);
    clock.stepWall(AHEAD);
    pass(120);
    speak([AHEAD]);
    expect(pass(3)).toEqual([0, AHEAD]);
  });

  it("is asked of those that were heard, not only of those that speak still", () => {
    const { clock, nodes, pass, speak, fleetMs } = fleetOf(3);
    pass(61);
    clock.stepWall(AHEAD);
    speak([AHEAD]);
    expect(pass(24 * 60)).toEqual([0, AHEAD]);
    expect(fleetMs()).toBe(0);
    // Those that the fleet has forgotten have none.
    nodes.delete("n1");
    nodes.delete("n2");
    expect(pass(61)).toEqual([AHEAD, AHEAD]);
  });

  it.each([
    ["no longer than a day for half of those that are awaited", 5, 2, QUORUM_WITHIN_MS + 60 * MINUTE_MS],
    ["for half of those that are awaited", 4, 2, 61 * MINUTE_MS],
    ["for nobody that is not awaited", 0, 2, 61 * MINUTE_MS],
  ])("waits %s", (_, awaited, heard, knownAfterMs) => {
    const { pass, speak, nodes } = fleetOf(awaited);
    for (let at = awaited; at < 9; at++) nodes.set(`n${at}`, { clockTold: undefined, isAwaited: false });
    speak(Array.from({ length: heard }, () => 0));
    expect(pass(knownAfterMs / MINUTE_MS - 1)).toBeUndefined();
    expect(pass(1)).toEqual([0, 0]);
  });

  it("is not known where no node tells", () => {
    const { pass, speak, fleetMs } = fleetOf(2);
    speak([]);
    expect(pass(QUORUM_WITHIN_MS / MINUTE_MS + 120)).toBeUndefined();
    expect(fleetMs()).toBeNaN();
  });

  it("is known though looks are far apart", () => {
    const { clock, pass } = fleetOf(1);
    pass(1);
    clock.advance(10 * DAY_MS);
    expect(pass(1)).toEqual([0, 0]);
  });
});
