export type { ServiceEndpoint } from "./client-gate.ts";
export { type Services, type ServicesOptions, type ServicesState, startServices } from "./lab-services.ts";
export {
  DRIFT_ADDRESSES,
  type ListenerOptions,
  type MiddleboxEndpoint,
  PROXY_CREDENTIALS,
  type ServiceListener,
} from "./listeners.ts";
export {
  EVERY_CLIENT,
  MODES,
  type ModeRequest,
  QUIET_MODES,
  SERVICE_NAMES,
  type ServiceMode,
  type ServiceName,
  type TlsMode,
} from "./modes.ts";
export { readServicesState, requestMode, requestQuiet } from "./services-client.ts";
export type { ZoneName } from "./zone.ts";
