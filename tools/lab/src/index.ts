export { requestFault } from "./control-client.ts";
export {
  type Capture,
  type CapturedPacket,
  canRunFleet,
  captureOf,
  createFleetNet,
  defaultNodeFiles,
  type FleetNet,
  type FleetNode,
  type Host,
  type HostProcess,
  type NetFault,
  openHost,
  type PathFaultSpec,
  type Refusal,
  SIDEROLINK_PORT,
  serverLink,
  type Traffic,
  TUNNEL_OMNI_ADDRESS,
  TUNNEL_PREFIX,
  type TunnelFault,
} from "./fleet/net/index.ts";
export { LabError } from "./lab-error.ts";
export { FAULTS, type Fault, type FaultRequest } from "./listener-fault.ts";
export { createDelayedPath, type DelayedPath, type PathStats, runIn } from "./path/delay-wire.ts";
export {
  EVERY_CLIENT,
  MODES,
  type ModeRequest,
  requestMode,
  type ServiceMode,
  type ServiceName,
  type Services,
  startServices,
} from "./services/index.ts";
export { startStandIn } from "./stand-in.ts";
export type { Endpoint, StandIn, StandInState } from "./stand-in-state.ts";
