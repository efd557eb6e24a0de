export type { AttemptStep, SilenceWatch, StepObserver } from "@lifeline/probe";
export { type LocalNode, type LocalNodeOptions, openLocalNode } from "./local-node.ts";
export type { NodeFacts, NodePaths } from "./node-facts.ts";
export { Prober, type ProberOptions, type ProberStats } from "./prober.ts";
export type { NodeProxy } from "./proxy-environment.ts";
export type { Attempt } from "./watched-attempts.ts";
export {
  type AccumulatorStats,
  WindowAccumulator,
  type WindowAccumulatorOptions,
} from "./window-accumulator.ts";
