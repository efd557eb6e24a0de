export { between, pick, type Random, randomFrom } from "./chance.ts";
export { entry } from "./program.ts";
export { type Relay, startRelay } from "./relay.ts";
export { openTarget, type TurningTarget, turnTargets } from "./turning-target.ts";
