export { startReflector } from "./reflector.ts";
export { reflectorProcess } from "./reflector-process.ts";
