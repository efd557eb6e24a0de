import { decodeReport } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { PLAN_MAX_TARGETS, planOf } from "./default-plan.ts";
import { CONDITIONS, LOOKBACK_S, lookbackOf } from "./lookback.ts";

const TARGETS = 3;

describe("the plan", () => {
  it("names every target once", () => {
    expect(PLAN_MAX_TARGETS).toBe(96);
    expect(new Set(planOf(PLAN_MAX_TARGETS).map(({ id }) => id)).size).toBe(PLAN_MAX_TARGETS);
  });
});

describe("a lookback", () => {
  it.each(CONDITIONS)("that is %s holds each attempt once, in reports that a collector would admit", (condition) => {
    const { reports, windows } = lookbackOf(planOf(TARGETS), condition);
    const decoded = reports.map((report) => decodeReport(report));
    expect(decoded.filter(({ ok }) => !ok)).toEqual([]);
    const sealed = decoded.flatMap((one) => (one.ok ? one.value.windows : []));
    expect(sealed).toHaveLength(windows);
    expect(sealed.reduce((sum, { started }) => sum + started, 0)).toBe(TARGETS * LOOKBACK_S);
    const lost = sealed.reduce((sum, { counts }) => sum + (counts.get("timeout") ?? 0), 0);
    const share = { well: [0, 0], failing: [0.98, 1], lossy: [0.03, 0.07] }[condition];
    expect(lost / (TARGETS * LOOKBACK_S)).toBeGreaterThanOrEqual(share[0] ?? Number.NaN);
    expect(lost / (TARGETS * LOOKBACK_S)).toBeLessThanOrEqual(share[1] ?? Number.NaN);
  });

  it("is the same each time", () => {
    expect(lookbackOf(planOf(1), "lossy")).toEqual(lookbackOf(planOf(1), "lossy"));
  });
});
