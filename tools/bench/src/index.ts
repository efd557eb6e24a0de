export type { AccuracyResult, BiasRatio, WayResult } from "./accuracy/accuracy.ts";
export { type BenchRequest, readArguments } from "./arguments.ts";
export { BenchError, type BenchErrorCode } from "./bench-error.ts";
export { type Distribution, distributionOf, quantile } from "./distribution.ts";
export type { FootprintResult, SideResult } from "./footprint/footprint.ts";
export { type ProcessUsage, readUsage } from "./process-usage.ts";
export type { RollupResult } from "./rollup/rollup.ts";
export type { ConditionResult, SpoolResult } from "./spool/spool.ts";
export { layOut } from "./table.ts";
