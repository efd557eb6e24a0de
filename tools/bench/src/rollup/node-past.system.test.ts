import { lossOf, rttCount } from "@lifeline/window";
import { decodeReport } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { reportsOf, TARGETS } from "./node-past.ts";

const FROM_MS = Date.UTC(2026, 2, 1);

describe("the reports of a node's past", () => {
  it("are one for each ten seconds, a window of each target in each, as the collector admits them", () => {
    const reports = [...reportsOf("n", FROM_MS, 0.1)];
    expect(reports.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 36 }, (_, at) => at + 1));
    let [sent, lost] = [0, 0];
    for (const { payload, windows } of reports) {
      const decoded = decodeReport(payload);
      if (!decoded.ok) throw new Error(JSON.stringify(decoded.malformed));
      expect(decoded.value.windows).toHaveLength(TARGETS);
      expect(windows.map(({ position }) => position)).toEqual(Array.from({ length: TARGETS }, (_, at) => at));
      for (const window of decoded.value.windows) {
        const counts = lossOf(window);
        expect(rttCount(window)).toBe(counts.sent - counts.lost);
        [sent, lost] = [sent + counts.sent, lost + counts.lost];
      }
    }
    expect(sent).toBe(36 * TARGETS * 10);
    expect(lost / sent).toBeCloseTo(0.001, 4);
  });

  it("are the same in every run", () => {
    expect([...reportsOf("n", FROM_MS, 0.01)]).toEqual([...reportsOf("n", FROM_MS, 0.01)]);
  });
});
