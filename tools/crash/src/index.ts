export { between, pick, type Random, randomFrom } from "./chance.ts";
export { CrashError } from "./crash-error.ts";
export { type LoopbackRow, loopbackCatalogue } from "./loopback-catalogue.ts";
export { createProgram, entry, type Program, type ProgramOptions, type Room, untilReady } from "./program.ts";
export { type Relay, startRelay } from "./relay.ts";
export { DEPLOYMENT } from "./stage.ts";
export { openTarget, type TurningTarget, turnTargets } from "./turning-target.ts";
