/** What a call was refused with, and how that is said. */
import { RpcError, RpcStatus, type RpcStatusCode } from "@lifeline/rpc";

/** Whether it is that refusal. */
export function isRefusedWith(outcome: unknown, code: RpcStatusCode): boolean {
  return outcome instanceof RpcError && outcome.code === code;
}

/** In words. */
export function said(outcome: RpcError | string): string {
  return outcome instanceof RpcError ? `${RpcStatus[outcome.code]} (${outcome.message})` : outcome;
}
