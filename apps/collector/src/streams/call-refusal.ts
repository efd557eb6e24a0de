/** Why a call is not answered: the field, the value and what would be right. */
import { RpcError, RpcStatus } from "@lifeline/rpc";

/** Refuses a field of the request. */
export function refuse(field: string, got: string, want: string): never {
  throw new RpcError(RpcStatus.INVALID_ARGUMENT, `${field}: got ${got}, want ${want}`);
}

/** The node is not known. */
export function unknownNode(nodeId: string): never {
  throw new RpcError(RpcStatus.NOT_FOUND, `node_id: got ${quoted(nodeId)}, want a node that has reported`);
}

/** The store did not answer. */
export function unavailable(): never {
  throw new RpcError(RpcStatus.UNAVAILABLE, "the store cannot answer now");
}

/** What a caller wrote, quoted and cut at 80 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
