/** Round-trip figures of a window. */
import { rttCount, rttQuantileNs, type Window } from "@lifeline/window";
import type { RttFigures } from "./row.ts";

/** p50, p95 and the exact maximum, with how many samples they rest on. */
export function rttFiguresOf(window: Window): RttFigures {
  return {
    p50Ns: rttQuantileNs(window, 0.5),
    p95Ns: rttQuantileNs(window, 0.95),
    maxNs: window.rtt.maxNs,
    count: rttCount(window),
    kernelCount: window.rtt.kernelCount,
  };
}
