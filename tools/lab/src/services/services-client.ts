/** Sets a mode of running services through their control socket. */
import { askControl } from "../control-client.ts";
import type { ServicesState } from "./lab-services.ts";
import type { ModeRequest } from "./modes.ts";

/**
 * Puts a mode in force and resolves with the state after it. Rejects with `control-unreachable`, or with the code and
 * message of the refusal.
 */
export function requestMode(controlPath: string, mode: ModeRequest): Promise<ServicesState> {
  return askControl(controlPath, "POST", "/mode", JSON.stringify(mode));
}
