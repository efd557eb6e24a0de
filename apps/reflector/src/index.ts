export {
  MAX_PER_SOURCE_PER_SECOND,
  type Reflector,
  type ReflectorOptions,
  type ReflectorStats,
  startReflector,
} from "./reflector.ts";
export { reflectorProcess } from "./reflector-process.ts";
export { type RunWorld, runReflector } from "./run.ts";
export { type ShareOptions, shareRules } from "./share-rules.ts";
