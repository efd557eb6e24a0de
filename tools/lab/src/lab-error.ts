/** The one error class that leaves this room. */

/**
 * - `bad-input`: a flag, option or control request is invalid; the message names it, its value and the expected value.
 * - `listen-failed`: an address could not be bound (taken, or not of this host).
 * - `fault-unavailable`: the host cannot inject the requested fault; the message says why.
 * - `busy`: too many fault changes are waiting.
 * - `closed`: the stand-in has been closed.
 * - `command-failed`: a program the lab runs on the machine (ip, nft, wg, …) failed; the message contains its output.
 * - `malformed-capture`: a packet capture cannot be read.
 * - `control-unreachable`: no stand-in answers at the control path, or the answer is not that of a stand-in.
 */
export type LabErrorCode =
  | "bad-input"
  | "listen-failed"
  | "fault-unavailable"
  | "busy"
  | "closed"
  | "command-failed"
  | "malformed-capture"
  | "control-unreachable";

/** Expected trouble in the lab: `code` is stable and is what callers branch on, the message is for people. */
export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The text of a thrown value: for messages and logs only, never to branch on. */
export function reasonText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
