export { ADDRESSES_MAX, type AddressRun, type AddressRuns, mergeAddressRuns, NO_ADDRESSES } from "./address-runs.ts";
export { compareContent } from "./content-order.ts";
export { binomialTail, cleanRunChance, type LossCount, type RatioInterval, wilsonInterval } from "./loss-ratio.ts";
export { compareMoments, latestSample } from "./moment-order.ts";
export { type FollowedSample, followRun, lengthWithWatched, type Run, type RunProgress, runOf } from "./outcome-run.ts";
export type { Remembered } from "./remembered.ts";
export {
  addSketch,
  bucketIndex,
  bucketUpperNs,
  SKETCH_MAX_BUCKETS,
  SKETCH_MAX_INDEX,
  SKETCH_MAX_NS,
  SKETCH_MIN_INDEX,
  SKETCH_RELATIVE_ERROR,
  SKETCH_SCHEMA,
  type Sketch,
  sketchCount,
  sketchQuantileNs,
} from "./sketch.ts";
export {
  addDirections,
  emptyWindow,
  endedCount,
  lossOf,
  mergeAllWindows,
  mergeWindows,
  NO_DIRECTIONS,
  type PhaseSum,
  type RttSummary,
  rememberedOf,
  rttCount,
  rttQuantileNs,
  TIMED_PHASES,
  type TimedPhase,
  WINDOW_MS,
  type Window,
  watchedWindow,
  windowOf,
} from "./window.ts";
