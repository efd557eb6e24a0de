export { type Part, startPart } from "./part.ts";
export { jsonFile, StartError, untilReady } from "./ready.ts";
