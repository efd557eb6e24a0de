export { Part } from "./part.ts";
export { jsonFile, StartError, untilReady } from "./ready.ts";
