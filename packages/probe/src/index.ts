export type { ClockSample } from "./clock-sample.ts";
export { decodeAnswer, encodeQuery } from "./dns-message.ts";
export { openKernelClock } from "./kernel.ts";
export { probe } from "./probe.ts";
export { routeFamilies } from "./route-families.ts";
export { SIDEROLINK_INTERFACES, siderolinkPrefix } from "./siderolink-prefix.ts";
export { NO_WATCH, type Silence, type SilenceWatch } from "./silence-watch.ts";
export { datagramFd } from "./socket-fd.ts";
export { createProbeWorld, type ProbeWorld } from "./world.ts";
