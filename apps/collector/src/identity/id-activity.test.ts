import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { IdActivity, SILENT_AFTER_MS } from "./id-activity.ts";

describe("an id", () => {
  it("is not silent for a while after the start, and after its last stream has ended; others are", () => {
    const clock = manualClock(0);
    const activity = new IdActivity(clock);
    clock.advance(SILENT_AFTER_MS - 1);
    expect(activity.isSilent("n1")).toBe(false);
    clock.advance(1);
    expect(activity.isSilent("n1")).toBe(true);
    activity.ended("n1");
    clock.advance(SILENT_AFTER_MS - 1);
    activity.ended("n2");
    expect(["n1", "n2", "n3"].map((id) => activity.isSilent(id))).toEqual([false, false, true]);
    clock.advance(1);
    expect(["n1", "n2", "n3"].map((id) => activity.isSilent(id))).toEqual([true, false, true]);
    activity.ended("n2");
    clock.advance(SILENT_AFTER_MS - 1);
    expect(activity.isSilent("n2")).toBe(false);
  });
});
