import { describe, expect, it } from "vitest";
import { MAX_DELAY_MS, nextOffsetMs } from "./clock-offset.ts";

describe("a node's clock offset", () => {
  it.each([
    ["the first message's difference", undefined, 45_000, 45_000],
    ["a smaller difference, for it had the lesser delay", 45_000, 44_990, 44_990],
    ["a sixteenth of a delay", 1_000, 1_160, 1_010],
    ["a clock set back, at once", 0, MAX_DELAY_MS + 1, MAX_DELAY_MS + 1],
    ["a clock set forward, at once", 0, -172_800_000, -172_800_000],
  ])("takes %s", (_, keptMs, seenMs, offsetMs) => {
    expect(nextOffsetMs(keptMs, 1_000_000, 1_000_000 + seenMs)).toBe(offsetMs);
  });
});
