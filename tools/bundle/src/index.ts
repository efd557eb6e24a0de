export { type Bundle, type BundleInput, bundleAgent } from "./bundle-agent.ts";
export { AGENT_NODE, COLLECTOR_NODE, type NodeProcess } from "./node-process.ts";
export { KOFFI_TRIPLETS, type KoffiPlatform, placeKoffi } from "./place-koffi.ts";
