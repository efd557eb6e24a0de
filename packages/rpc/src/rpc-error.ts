/** The one error of the RPC boundary. */
import { status } from "@grpc/grpc-js";
import { visibleText } from "@lifeline/measure";

/** gRPC status codes by name (grpc/grpc doc/statuscodes.md). */
export const RpcStatus = status;
export type RpcStatusCode = status;

/**
 * A call that ended with a status other than OK. Branch on `code`, never on the message. The message may come from the
 * peer, so it is one line of visible text.
 */
export class RpcError extends Error {
  readonly code: RpcStatusCode;
  constructor(code: RpcStatusCode, message: string) {
    super(visibleText(message));
    this.name = "RpcError";
    this.code = code;
  }
}

/** The {@link RpcError} of whatever a grpc-js call failed with. */
export function rpcErrorFrom(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof Error) {
    const code = "code" in error && typeof error.code === "number" ? error.code : status.UNKNOWN;
    const text = "details" in error && typeof error.details === "string" ? error.details : error.message;
    return new RpcError(code, text);
  }
  return new RpcError(status.UNKNOWN, String(error));
}
