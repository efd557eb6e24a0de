export { AGENT_NODE_FLAGS } from "./house.ts";
export { type Part, startPart } from "./part.ts";
export { jsonFile, StartError, untilReady } from "./ready.ts";
