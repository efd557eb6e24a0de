export { LAB_LABEL } from "./api-endpoint.ts";
export { readState, requestFault } from "./control-client.ts";
export {
  type Capture,
  type CapturedPacket,
  canRunFleet,
  createFleetNet,
  defaultNodeFiles,
  type FleetHost,
  type FleetNet,
  type FleetNode,
  type Host,
  type HostProcess,
  type NetFault,
  OUTER_INTERFACE,
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
export { LabError, type LabErrorCode } from "./lab-error.ts";
export {
  FAULT_SCOPES,
  FAULTS,
  type Fault,
  type FaultRequest,
  type FaultScope,
  LISTENER_NAMES,
  type ListenerName,
} from "./listener-fault.ts";
export {
  type CannotRun,
  type CannotRunReason,
  createDelayedPath,
  type DelayedPath,
  type LaneStats,
  type PathStats,
  runIn,
} from "./path/delay-wire.ts";
export {
  DRIFT_ADDRESSES,
  EVERY_CLIENT,
  type MiddleboxEndpoint,
  MODES,
  type ModeRequest,
  PROXY_CREDENTIALS,
  QUIET_MODES,
  readServicesState,
  requestMode,
  requestQuiet,
  SERVICE_NAMES,
  type ServiceEndpoint,
  type ServiceListener,
  type ServiceMode,
  type ServiceName,
  type Services,
  type ServicesOptions,
  type ServicesState,
  startServices,
  type ZoneName,
} from "./services/index.ts";
export { type StandInOptions, startStandIn } from "./stand-in.ts";
export type { Endpoint, ListenerState, StandIn, StandInState } from "./stand-in-state.ts";
