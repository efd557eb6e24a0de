import { bucketIndex, SKETCH_RELATIVE_ERROR } from "@lifeline/window";
import { expect, it } from "vitest";
import { rttFiguresOf } from "./rtt-figures.ts";
import { lookbackOf } from "./testing/judgement-fixture.ts";

const MS = 1_000_000;
/** Round-trip times of 1 ms, 2 ms and so on, one of each; the kernel measured all but one. */
const figuresOf = (count: number) => {
  const rttsNs = Array.from({ length: count }, (_, at) => (at + 1) * MS);
  const sketch = new Map(rttsNs.map((ns) => [bucketIndex(ns), 0]));
  for (const ns of rttsNs) sketch.set(bucketIndex(ns), (sketch.get(bucketIndex(ns)) ?? 0) + 1);
  const rtt = { sketch, minNs: rttsNs[0], maxNs: rttsNs.at(-1), sumNs: 0, kernelCount: count - 1 };
  return rttFiguresOf(lookbackOf({}, { rtt }));
};

it.each<["p50Ns" | "p95Ns" | "maxNs", count: number, ms: number]>([
  ["p50Ns", 100, 50],
  ["p95Ns", 100, 95],
  ["maxNs", 100, 100],
  ["p50Ns", 20, 10],
  ["p95Ns", 20, 19],
  ["maxNs", 20, 20],
])("%s of %i round-trip times is that of %i ms, within the error of the sketch", (figure, count, ms) => {
  const ns = figuresOf(count)[figure] ?? 0;
  expect(Math.abs(ns - ms * MS)).toBeLessThanOrEqual(figure === "maxNs" ? 0 : ms * MS * SKETCH_RELATIVE_ERROR);
});

it("counts all round-trip times, and those that the kernel measured", () => {
  expect(figuresOf(20)).toMatchObject({ count: 20, kernelCount: 19 });
});

it("has no figure without a round-trip time (M4)", () => {
  const none = { p50Ns: undefined, p95Ns: undefined, maxNs: undefined, count: 0, kernelCount: 0 };
  expect(rttFiguresOf(lookbackOf({}))).toEqual(none);
});
