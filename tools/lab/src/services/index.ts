export { type Services, startServices } from "./lab-services.ts";
export type { ListenerOptions } from "./listeners.ts";
export { EVERY_CLIENT, MODES, type ModeRequest, type ServiceMode, type ServiceName } from "./modes.ts";
export { requestMode } from "./services-client.ts";
