/** The address a stream comes from. */
import { canonicalAddress } from "@lifeline/catalogue";

/** The address literal of a grpc-js peer (`192.0.2.1:4711`, `[2001:db8::1]:4711`, `::ffff:192.0.2.1:4711`); undefined: it has none. */
export function peerAddress(peer: string): string | undefined {
  const host = peer
    .replace(/^ipv[46]:/, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");
  return canonicalAddress(host);
}
