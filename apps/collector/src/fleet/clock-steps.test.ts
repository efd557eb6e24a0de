import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { ClockSteps, STEP_MIN_MS } from "./clock-steps.ts";

const START_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;

describe("a collector whose clock is set", () => {
  it.each([10 * DAY_MS, -10 * DAY_MS, STEP_MIN_MS])("by %s ms notices it once", (stepMs) => {
    const clock = manualClock(START_MS);
    const steps = new ClockSteps(clock);
    clock.advance(DAY_MS);
    expect(steps.takeStepMs()).toBe(0);
    clock.stepWall(stepMs);
    clock.advance(1_000);
    expect(steps.takeStepMs()).toBe(stepMs);
    expect(steps.takeStepMs()).toBe(0);
  });

  it("by less than a step between two looks has drifted", () => {
    const clock = manualClock(START_MS);
    const steps = new ClockSteps(clock);
    for (let look = 0; look < 10; look += 1) {
      clock.stepWall(STEP_MIN_MS - 1);
      expect(steps.takeStepMs()).toBe(0);
    }
  });
});
