import { describe, expect, it } from "vitest";
import { DEFAULT_THRESHOLDS, lookbackMsOf, recoveryMaxOf, staleAfterMsOf } from "./thresholds.ts";

it("are the documented ones, so that no release changes a verdict by accident", () => {
  expect(DEFAULT_THRESHOLDS).toEqual({
    lookbackMs: 60_000,
    staleAfterMs: 30_000,
    proofRunLength: 2,
    lossRunLength: 3,
    sharedQueryMs: 2_500,
    recoveryRunLength: 2,
    clearedChance: 0.001,
    toleratedLossRatio: 0.002,
    chanceMin: 0.000_001,
    rejectedRatio: 0.01,
    rejectedMin: 3,
  });
});

describe("follow the cadence", () => {
  it.each([
    [1_000, 30_000, 60_000],
    [10_000, 30_000, 60_000],
    [10_001, 30_003, 60_006],
    [100_000, 300_000, 600_000],
  ])("of %i ms: stale after %i, lookback %i", (cadenceMs, staleAfterMs, lookbackMs) => {
    expect(staleAfterMsOf(DEFAULT_THRESHOLDS, cadenceMs)).toBe(staleAfterMs);
    expect(lookbackMsOf(DEFAULT_THRESHOLDS, cadenceMs)).toBe(lookbackMs);
  });

  it.each([
    [1_000, 10],
    [2_000, 5],
    [5_000, 2],
    [60_000, 2],
  ])("of %i ms: at most %i good samples end an outage", (cadenceMs, length) => {
    expect(recoveryMaxOf(DEFAULT_THRESHOLDS, cadenceMs)).toBe(length);
  });

  it("but a longer lookback stays", () => {
    expect(lookbackMsOf({ ...DEFAULT_THRESHOLDS, lookbackMs: 90_000 }, 1_000)).toBe(90_000);
  });
});
