import { describe, expect, it } from "vitest";
import { FITTED_MIN, trendOf } from "./trend.ts";

const at = (values: readonly number[], everySeconds = 60) =>
  values.map((value, index) => ({ seconds: index * everySeconds, value }));

describe("a trend", () => {
  it("of a straight line is that line, exactly", () => {
    const trend = trendOf(at(Array.from({ length: 31 }, (_, minute) => 100 + minute / 10)));
    expect(trend?.perHour?.slope).toBeCloseTo(6, 9);
    expect(trend?.perHour?.low).toBeCloseTo(6, 6);
    expect(trend?.perHour?.high).toBeCloseTo(6, 6);
    expect(trend).toMatchObject({ readings: 31, least: 100, median: 101.5, greatest: 103 });
  });

  it("leaves out the first third, in which the programs warm up", () => {
    const values = Array.from({ length: 30 }, (_, minute) => (minute < 10 ? minute * 10 : 100));
    expect(trendOf(at(values))?.perHour?.slope).toBeCloseTo(0, 9);
  });

  // By hand: x = 0 … 5 h, y = 1 2 2 4 5 5: Sxx 17.5, Sxy 15.5, b 0.885714, SSE 1.104762, s 0.525538, t(4, 97.5 %)
  // 2.776445.
  it("has the interval of Student's t", () => {
    const warm = { seconds: -2.5 * 3_600, value: 0 };
    const perHour = trendOf([warm, ...at([1, 2, 2, 4, 5, 5], 3_600)])?.perHour;
    expect(perHour?.slope).toBeCloseTo(0.885714, 6);
    expect((perHour?.high ?? 0) - (perHour?.slope ?? 0)).toBeCloseTo((2.776445 * 0.525538) / Math.sqrt(17.5), 2);
    expect((perHour?.slope ?? 0) - (perHour?.low ?? 0)).toBeCloseTo((perHour?.high ?? 0) - (perHour?.slope ?? 0), 12);
  });

  it("has no slope with too few readings, and is undefined without readings", () => {
    expect(trendOf(at(Array.from({ length: FITTED_MIN }, () => 1)))?.perHour).toBeUndefined();
    expect(trendOf([])).toBeUndefined();
  });
});
