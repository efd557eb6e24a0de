/** The address a call comes from. */
import { canonicalAddress } from "@lifeline/catalogue";
import { sourceOf } from "@lifeline/rpc";

/**
 * The address literal of a grpc-js peer (`192.0.2.1:4711`, `[2001:db8::1]:4711`, `::ffff:192.0.2.1:4711`); undefined:
 * it has none.
 */
export function peerAddress(peer: string): string | undefined {
  return canonicalAddress(hostOf(peer));
}

/** What limits count a grpc-js peer by: its IPv4 address, or the /64 of its IPv6 address. */
export function peerSource(peer: string): string {
  return sourceOf(hostOf(peer));
}

function hostOf(peer: string): string {
  return peer
    .replace(/^ipv[46]:/, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");
}
