import type { Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { impactPhrase, NO_IMPACT, withWindows } from "./incident-impact.ts";
import { NOW_MS, TCP, targetOf, times, windowsOf } from "./testing/judgement-fixture.ts";

const OK = "answered";
const target = targetOf(TCP);
/** Four minutes: answers, losses of two and a half minutes, answers. The losses begin at `LOST_MS`. */
const reasons: Reason[] = [...times(40, OK), ...times(150, "timeout"), ...times(50, OK)];
const windows = windowsOf(target, reasons);
const LOST_MS = NOW_MS - 199_005;

describe("the impact of an incident", () => {
  it("counts its attempts from the first failure to the last, and names the minute with the most failures", () => {
    const impact = withWindows(NO_IMPACT, windows, LOST_MS);
    expect(impact).toMatchObject({ attempts: 150, failures: 150 });
    expect(impact.worstMinute).toEqual({ startMs: NOW_MS - 180_000, attempts: 60, failures: 60 });
  });

  it("is the same when its windows come one by one, again, or in another order", () => {
    const whole = withWindows(NO_IMPACT, windows, LOST_MS);
    let step = NO_IMPACT;
    for (let at = 1; at <= windows.length; at += 1) step = withWindows(step, windows.slice(0, at), LOST_MS);
    expect(step).toEqual(whole);
    expect(withWindows(NO_IMPACT, windows.toReversed(), LOST_MS)).toEqual(whole);
    expect(withWindows(whole, windows, LOST_MS)).toBe(whole);
  });

  it("leaves out answers before it, and attempts that were not measured", () => {
    const stalled = windowsOf(target, [...times(30, OK), ...times(5, "timeout"), ...times(9, "stalled"), "timeout"]);
    expect(withWindows(NO_IMPACT, stalled, NOW_MS - 14_005)).toMatchObject({ attempts: 6, failures: 6 });
  });

  it("is one sentence, and none where nothing failed", () => {
    expect(impactPhrase(withWindows(NO_IMPACT, windows, LOST_MS), 150_999)).toBe(
      "Over its 150 s, 150 of 150 attempts failed; the worst minute: 60 of 60 in the minute from 2026-08-01T11:57:00Z. ",
    );
    expect(impactPhrase(NO_IMPACT, 1_000)).toBe("");
  });
});
