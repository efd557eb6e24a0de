/** Reads the state of running services, or sets a mode, through their control socket. */
import { askControl } from "../control-client.ts";
import type { ServicesState } from "./lab-services.ts";
import type { ModeRequest } from "./modes.ts";

/** Reads the state. Rejects with `control-unreachable`. */
export function readServicesState(controlPath: string): Promise<ServicesState> {
  return askControl(controlPath, "GET", "/state");
}

/**
 * Puts a mode in force and resolves with the state after it. Rejects with `control-unreachable`, or with the code and
 * message of the refusal.
 */
export function requestMode(controlPath: string, mode: ModeRequest): Promise<ServicesState> {
  return askControl(controlPath, "POST", "/mode", JSON.stringify(mode));
}

/** Ends every fault of the services. Rejects as {@link requestMode} does. */
export function requestQuiet(controlPath: string): Promise<ServicesState> {
  return askControl(controlPath, "POST", "/quiet", "{}");
}
