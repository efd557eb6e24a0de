/** The result of an HTTP exchange of either version. The callers judge it. */
import type { Reason } from "@lifeline/measure";

/** Most bytes of headers that are read: Node's default for HTTP/1.1, set explicitly for both versions. */
export const HEADERS_MAX_BYTES = 16_384;

/** How Lifeline names itself to HTTP and gRPC servers, and to proxies. */
export const USER_AGENT = "lifeline-probe/0.1";

/** A response, whose body is not kept, or the code of the error. */
export type Exchanged =
  | {
      readonly kind: "response";
      readonly status: number;
      readonly location: string | undefined;
      /** The gRPC status as it was sent: in the trailers, or in the headers when there was nothing else to send. */
      readonly grpcStatus: string | undefined;
    }
  | { readonly kind: "error"; readonly code: string };

/** Called when the request has been handed to the kernel. */
export type Sent = () => void;

/** Codes of a connection that ended during the exchange. Every other code means a peer that speaks another protocol. */
const BROKEN: readonly string[] = ["ECONNRESET", "EPIPE", "ECONNABORTED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"];

/** The reason for a failed exchange: `reset`, or `protocol` for a peer that speaks another protocol. */
export function reasonOfExchangeCode<Protocol extends Reason>(code: string, protocol: Protocol): "reset" | Protocol {
  return BROKEN.includes(code) ? "reset" : protocol;
}
