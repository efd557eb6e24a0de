/**
 * Source ports that no Session-Sender uses. A service answers there by itself, so with a forged source two services
 * would answer each other.
 *
 * 1. Ports below 1024 are system ports (RFC 6335 §6): echo 7, chargen 19, DNS 53, NTP 123, and other reflectors, 862. A
 *    sender has an ephemeral port, and NAT keeps it at 1024 or above (RFC 4787 REQ-3; so do Linux, pf and the gateways
 *    of clouds).
 * 2. Behind the reflector's own port number is another reflector, or this one.
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
