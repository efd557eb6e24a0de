export { AGENT_ENVIRONMENT, AGENT_NODE_FLAGS } from "./agent-process.ts";
export { type Bundle, type BundleInput, bundleAgent } from "./bundle-agent.ts";
export { KOFFI_TRIPLETS, type KoffiPlatform, placeKoffi } from "./place-koffi.ts";
