export { type Bundle, BundleError, bundleProgram, NATIVE_FILE } from "./bundle-program.ts";
export { nativeModule } from "./native-module.ts";
export { AGENT_NODE, COLLECTOR_NODE, type NodeProcess, PLAIN_NODE } from "./node-process.ts";
