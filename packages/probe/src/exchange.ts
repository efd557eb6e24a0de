/** What an HTTP exchange of either version came to, before anyone judges it. */
import type { Reason } from "@lifeline/measure";

/** Bytes of headers accepted of a peer: Node's own default for HTTP/1.1, stated because evidence rests on it. */
export const HEADERS_MAX_BYTES = 16_384;

/** How Lifeline names itself to HTTP and gRPC servers, and to proxies. */
export const USER_AGENT = "lifeline-probe/0.1";

/** A response whose body was not kept, or the code of what came instead. */
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

/** Codes that mean the connection ended under the exchange; every other code is a peer that speaks another protocol. */
const BROKEN: readonly string[] = ["ECONNRESET", "EPIPE", "ECONNABORTED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"];

/** The reason for a failed exchange, `protocol` being what a peer that speaks something else is called. */
export function reasonOfExchangeCode<Protocol extends Reason>(code: string, protocol: Protocol): "reset" | Protocol {
  return BROKEN.includes(code) ? "reset" : protocol;
}
