/** The /64 of this node's own SideroLink address, from the kernel's table. Omni's address in the tunnel is in it. */
import ipaddr from "ipaddr.js";
import { rowsOf, textOf } from "./proc-table.ts";

/** The tunnel's interface: kernel WireGuard, or Talos' userspace device when WireGuard goes through gRPC. */
export const SIDEROLINK_INTERFACES: readonly string[] = ["siderolink", "siderolinktun"];

/** Groups of 16 bits in a /64. */
const PREFIX_GROUPS = 4;

const IF_INET6_PATH = "/proc/net/if_inet6";

/**
 * The tunnel's /64 as its four groups, `fdae:41e4:649b:9303`, or undefined when there is no tunnel. Never throws.
 * `path` is the kernel's list of IPv6 addresses, by default /proc/net/if_inet6.
 */
export function siderolinkPrefix(path: string = IF_INET6_PATH): string | undefined {
  // Without such a table IPv6 is off, so there is no tunnel.
  return parseSiderolinkPrefix(textOf(path));
}

/** The same from the table's text. */
export function parseSiderolinkPrefix(table: string): string | undefined {
  return tunnelAddressesIn(table)[0]?.prefix;
}

/** An address of one of the tunnel's interfaces. */
export interface TunnelAddress {
  /** The interface. */
  readonly name: string;
  /** The address's /64 as its four groups, such as `fdae:41e4:649b:9303`. */
  readonly prefix: string;
}

/**
 * The addresses of the tunnel's interfaces in the table's text, in its order. A line is: address (32 hex digits),
 * interface index, prefix length, scope, flags, name. Only unique local addresses count (RFC 4193), as SideroLink's
 * are. The interface also has a link-local one.
 */
export function tunnelAddressesIn(table: string): readonly TunnelAddress[] {
  return rowsOf(table).flatMap(([digits = "", , , , , name = ""]) => {
    if (!SIDEROLINK_INTERFACES.includes(name) || !/^[0-9a-f]{32}$/i.test(digits)) return [];
    const address = new ipaddr.IPv6([...Buffer.from(digits, "hex")]);
    return address.range() === "uniqueLocal" ? [{ name, prefix: prefixOf(address) }] : [];
  });
}

/** Whether `host` is an address within the /64. False for a name. */
export function isWithinPrefix(host: string, prefix: string): boolean {
  return ipaddr.IPv6.isValid(host) && prefixOf(ipaddr.IPv6.parse(host)) === prefix;
}

function prefixOf({ parts }: ipaddr.IPv6): string {
  return parts
    .slice(0, PREFIX_GROUPS)
    .map((group) => group.toString(16))
    .join(":");
}
