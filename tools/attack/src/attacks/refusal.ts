/** The refusal of a call, and its text. */
import { RpcError, RpcStatus, type RpcStatusCode } from "@lifeline/rpc";

/** Whether it is that refusal. */
export function isRefusedWith(outcome: unknown, code: RpcStatusCode): boolean {
  return outcome instanceof RpcError && outcome.code === code;
}

/** The refusal as text. */
export function said(outcome: RpcError | string): string {
  return outcome instanceof RpcError ? `${RpcStatus[outcome.code]} (${outcome.message})` : outcome;
}

/** Runs a call; `OK`, or the error it was refused with. */
export function refusalOf(call: Promise<unknown>): Promise<RpcError | "OK"> {
  return call.then(
    () => "OK" as const,
    (error: unknown) => {
      if (error instanceof RpcError) return error;
      throw error;
    },
  );
}
