import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { createSilence, SILENT_AFTER_MS } from "./silence.ts";

describe("an id", () => {
  it("is not silent for a while after the start, and after its last stream has ended; others are", () => {
    const clock = manualClock(0);
    const silence = createSilence(clock);
    clock.advance(SILENT_AFTER_MS - 1);
    expect(silence.isSilent("n1")).toBe(false);
    clock.advance(1);
    expect(silence.isSilent("n1")).toBe(true);
    silence.note("n1");
    clock.advance(SILENT_AFTER_MS - 1);
    silence.note("n2");
    expect(["n1", "n2", "n3"].map(silence.isSilent)).toEqual([false, false, true]);
    clock.advance(1);
    expect(["n1", "n2", "n3"].map(silence.isSilent)).toEqual([true, false, true]);
    silence.note("n2");
    clock.advance(SILENT_AFTER_MS - 1);
    expect(silence.isSilent("n2")).toBe(false);
  });
});
