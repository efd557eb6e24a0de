import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { ClockSteps, STEP_MIN_MS, type SteppedNode } from "./clock-steps.ts";

const START_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;

describe("a collector whose clock is set", () => {
  it.each([10 * DAY_MS, -10 * DAY_MS, STEP_MIN_MS])("by %s ms notices it once", (stepMs) => {
    const clock = manualClock(START_MS);
    const steps = new ClockSteps(clock);
    clock.advance(DAY_MS);
    expect(steps.look()).toBe(0);
    clock.stepWall(stepMs);
    clock.advance(1_000);
    expect(steps.look()).toBe(stepMs);
    expect(steps.look()).toBe(0);
  });

  it("by less than a step between two looks has drifted", () => {
    const clock = manualClock(START_MS);
    const steps = new ClockSteps(clock);
    for (let look = 0; look < 10; look += 1) {
      clock.stepWall(STEP_MIN_MS - 1);
      expect(steps.look()).toBe(0);
    }
  });

  it("takes the nodes' clocks for what they were: by what they told, else by what was kept of them", () => {
    const clock = manualClock(START_MS);
    const steps = new ClockSteps(clock);
    const tellsAgain = (): SteppedNode["clockTold"] => ({ sentMs: START_MS + 61_000, atNs: clock.monotonicNs() });
    const nodes: Record<string, SteppedNode> = {
      // One second behind, as it told a minute ago.
      silent: { clockOffsetMs: 1_000, clockTold: { sentMs: START_MS - 1_000, atNs: 0 } },
      kept: { clockOffsetMs: 5_000, clockTold: undefined },
      unknown: { clockOffsetMs: undefined, clockTold: undefined },
      speaks: { clockOffsetMs: -1_000, clockTold: undefined },
    };
    clock.advance(60_000);
    clock.stepWall(-DAY_MS);
    // Between the step and the look: what it brought with it counts for the clock as it is now.
    Object.assign(nodes["speaks"] ?? {}, { clockOffsetMs: -DAY_MS - 1_000, clockTold: tellsAgain() });
    steps.follow(Object.values(nodes), steps.look());
    const offsets = Object.entries(nodes).map(([name, { clockOffsetMs }]) => [name, clockOffsetMs]);
    expect(Object.fromEntries(offsets)).toEqual({
      silent: 1_000 - DAY_MS,
      kept: 5_000 - DAY_MS,
      unknown: undefined,
      speaks: -1_000 - DAY_MS,
    });
  });
});
