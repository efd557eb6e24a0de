import { NS_PER_MS } from "@lifeline/measure";
import { WINDOW_MS } from "@lifeline/window";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BOUNDARY_SLACK_MS, endLabelMs, firstSpan, labelMs, nextSpan } from "./window-boundary.ts";

const wall = fc.double({ min: 0, max: 4e12, noNaN: true });

describe("the span between two boundaries", () => {
  it("is never shorter than the slack nor longer than a window and the slack, whatever the wall clock says (M2)", () => {
    fc.assert(
      fc.property(wall, (wallMs) => {
        for (const span of [firstSpan(wallMs, 0), nextSpan(wallMs, 0)]) {
          const lengthMs = span.boundaryNs / NS_PER_MS;
          expect(lengthMs).toBeGreaterThanOrEqual(BOUNDARY_SLACK_MS);
          expect(lengthMs).toBeLessThanOrEqual(WINDOW_MS + BOUNDARY_SLACK_MS);
          expect(Math.abs(span.boundaryMs / WINDOW_MS - Math.round(span.boundaryMs / WINDOW_MS))).toBeLessThan(1e-6);
        }
      }),
    );
  });

  it("joins the span before it when the clock was slewed a little", () => {
    for (const slewMs of [-900, -0.4, 0, 0.4, 900]) {
      expect(nextSpan(20_000 + slewMs, 0)).toMatchObject({ startMs: 20_000, boundaryMs: 30_000 });
    }
    expect(nextSpan(23_456, 0)).toMatchObject({ startMs: 23_456, boundaryMs: 30_000 });
  });

  it("ends at its boundary when that is reached in time, and otherwise at the actual time", () => {
    const span = firstSpan(3_000, 0);
    expect(endLabelMs(span, 7_002 * NS_PER_MS)).toBe(10_000);
    expect(endLabelMs(span, 12_000 * NS_PER_MS)).toBe(15_000);
    expect(labelMs(span, 500 * NS_PER_MS)).toBe(3_500);
  });
});
