/** Round-trip figures of a window. */
import { rttCount, rttQuantileNs, type Window } from "@lifeline/window";
import type { RttFigures } from "./row.ts";

/** Median, 95th percentile and exact maximum, with the number of samples behind them. */
export function rttFiguresOf(window: Window): RttFigures {
  return {
    p50Ns: rttQuantileNs(window, 0.5),
    p95Ns: rttQuantileNs(window, 0.95),
    maxNs: window.rtt.maxNs,
    count: rttCount(window),
    kernelCount: window.rtt.kernelCount,
  };
}
