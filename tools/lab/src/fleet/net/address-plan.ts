/**
 * The addresses of all hosts. Every link of the tested path is a subnet of its own with the hop at its other end. All
 * prefixes are for documentation, so a stray packet reaches no real host.
 *
 *     nodes      198.51.100.0/24 (RFC 5737), one /30 each     2001:db8:51:N::/64 (RFC 3849)
 *     servers    192.0.2.0/24    (RFC 5737), one /30 each     2001:db8:2:N::/64
 *     management 203.0.113.0/24  (RFC 5737), one bridge, no router
 *     tunnel     fdae:41e4:649b:9303::/64, Omni at ::1
 */
import { LabError } from "../../lab-error.ts";

/** Both families of one end of a link. */
export interface DualAddress {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** One link to the hop. */
export interface LinkAddresses {
  readonly host: DualAddress;
  /** The hop's end, the host's default gateway. */
  readonly hop: DualAddress;
}

/** Nodes and servers there can be: the /30s of a /24, the first left out so that numbers begin at 1. */
export const HOSTS_MAX = 60;

/** Prefix lengths of a link. */
export const LINK_PREFIX_BITS = { ipv4: 30, ipv6: 64 } as const;

/** The prefix every Omni without an installation id derives (siderolink `pkg/wireguard/address.go`). */
export const TUNNEL_PREFIX = "fdae:41e4:649b:9303";
/** Omni's address inside the tunnel. */
export const TUNNEL_OMNI_ADDRESS = `${TUNNEL_PREFIX}::1`;
/** Prefix length of the tunnel. */
export const TUNNEL_PREFIX_BITS = 64;

/** Prefix length of the management network. */
export const MANAGEMENT_PREFIX_BITS = 24;

/** Name of node `number` (1–60). */
export function nodeName(number: number): string {
  return `node${number}`;
}

/** Link of node `number` (1–60). */
export function nodeLink(number: number): LinkAddresses {
  return linkIn("198.51.100", "2001:db8:51", checked(number));
}

/** Link of server `number` (1–60); Omni is server 1. */
export function serverLink(number: number): LinkAddresses {
  return linkIn("192.0.2", "2001:db8:2", checked(number));
}

/** Management address of host `number`: the collector is 1, the servers 2–61, the nodes 101–160. */
export function managementAddress(kind: "collector" | "server" | "node", number: number): string {
  const base = { collector: 0, server: 1, node: 100 }[kind];
  return `203.0.113.${base + checked(number)}`;
}

/** Address of node `number` (1–60) inside the tunnel. */
export function tunnelAddress(number: number): string {
  return `${TUNNEL_PREFIX}:1000::${checked(number).toString(16)}`;
}

function linkIn(ipv4: string, ipv6: string, number: number): LinkAddresses {
  // A /30 has two hosts: the first is the hop.
  return {
    hop: { ipv4: `${ipv4}.${4 * number + 1}`, ipv6: `${ipv6}:${number.toString(16)}::1` },
    host: { ipv4: `${ipv4}.${4 * number + 2}`, ipv6: `${ipv6}:${number.toString(16)}::2` },
  };
}

function checked(number: number): number {
  if (Number.isInteger(number) && number >= 1 && number <= HOSTS_MAX) return number;
  throw new LabError("bad-input", `host number: ${number} is out of range; expected 1 to ${HOSTS_MAX}`);
}
