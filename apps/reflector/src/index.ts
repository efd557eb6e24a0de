export { REFLECTOR_PROGRAM } from "./config.ts";
export { startReflector } from "./reflector.ts";
export { reflectorProcess } from "./reflector-process.ts";
