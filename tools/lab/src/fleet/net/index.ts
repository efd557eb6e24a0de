export { serverLink, TUNNEL_OMNI_ADDRESS, TUNNEL_PREFIX } from "./address-plan.ts";
export { type Capture, type CapturedPacket, captureOf } from "./capture.ts";
export { createFleetNet, defaultNodeFiles, type FleetNet, type FleetNode } from "./fleet-net.ts";
export { type Host, openHost } from "./host.ts";
export type { HostProcess } from "./host-process.ts";
export type { NetFault, TunnelFault } from "./net-fault.ts";
export { canRunFleet } from "./obstacle.ts";
export type { PathFaultSpec, Refusal, Traffic } from "./path-fault.ts";
export { SIDEROLINK_PORT } from "./wireguard-tunnel.ts";
