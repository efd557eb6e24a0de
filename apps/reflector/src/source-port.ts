/**
 * Source ports that no sender has, but a service that answers by itself: whoever forges them has two services answer each other.
 *
 * 1. Below 1024 are the system ports (RFC 6335 §6): echo 7, chargen 19, DNS 53, NTP 123, and other reflectors, 862. A sender's
 *    port is an ephemeral one. NAT leaves it at 1024 or more (RFC 4787 REQ-3; so do Linux, pf and the clouds' gateways).
 * 2. At the reflector's own port there is another reflector, or this one.
 */

/** Lowest port that is not a system port (RFC 6335 §6). */
const USER_PORT_MIN = 1_024;

/** Why a source port is not answered, by the name of its counter. */
export type RefusedPort = "systemPort" | "ownPort";

/** Why a datagram from `sourcePort` (0–65535) is not answered by a reflector at `ownPort`; undefined: it may be. */
export function refusedPort(sourcePort: number, ownPort: number): RefusedPort | undefined {
  if (sourcePort < USER_PORT_MIN) return "systemPort";
  return sourcePort === ownPort ? "ownPort" : undefined;
}
