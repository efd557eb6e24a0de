export { type DualAddress, serverLink, TUNNEL_OMNI_ADDRESS, TUNNEL_PREFIX } from "./address-plan.ts";
export type { Capture, CapturedPacket } from "./capture.ts";
export {
  createFleetNet,
  defaultNodeFiles,
  type FleetHost,
  type FleetNet,
  type FleetNetOptions,
  type FleetNode,
  LAN_DELAY_MS,
  NODE_FILES,
} from "./fleet-net.ts";
export { type CommandResult, type Host, openHost } from "./host.ts";
export type { HostProcess, HostSpawnOptions, ProcessEnding } from "./host-process.ts";
export { openRelay, type Relay } from "./host-relay.ts";
export type { NetFault, TunnelFault } from "./net-fault.ts";
export { MANAGEMENT_INTERFACE, OUTER_INTERFACE } from "./net-link.ts";
export { canRunFleet } from "./obstacle.ts";
export type { FaultDirection, PathFaultSpec, Refusal, Traffic } from "./path-fault.ts";
export { NODE_TUNNEL_INTERFACE, type PeerState, SIDEROLINK_PORT, type Tunnel } from "./wireguard-tunnel.ts";
