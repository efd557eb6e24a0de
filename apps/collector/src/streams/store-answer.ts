/** What a stream ends with when the store does not take what it brings. */
import { RpcError, RpcStatus } from "@lifeline/rpc";

/** The agent keeps its reports and sends them again. */
export function unavailable(): never {
  throw new RpcError(RpcStatus.UNAVAILABLE, "the store cannot take more now");
}
