/** How far an address reaches: this host or link, a site, or the internet. */
import { BlockList, isIP } from "node:net";

/** `local`: this host or link, or not a unicast address. `private`: inside a site. */
export type AddressScope = "local" | "private" | "public";

/** Which addresses the host of a redirect may have: public ones alone, or those of a site too. Local ones never. */
export const REDIRECT_SCOPES = ["public", "site"] as const;
export type RedirectScope = (typeof REDIRECT_SCOPES)[number];

const LOCAL = listOf(
  // This network, loopback, link-local, multicast and reserved (RFC 6890).
  ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"],
  // Unspecified and loopback, link-local, multicast (RFC 4291).
  ["::/127", "fe80::/10", "ff00::/8"],
);
const PRIVATE = listOf(
  // RFC 1918, and the shared addresses of carriers (RFC 6598).
  ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"],
  // Unique local (RFC 4193).
  ["fc00::/7"],
);

/**
 * The scope of an address literal, without zone; of an IPv4-mapped one that of its IPv4 address. Text that is no
 * literal is `local`, so that it is never public.
 */
export function addressScope(address: string): AddressScope {
  const family = isIP(address);
  if (family === 0 || address.includes("%")) return "local";
  const name = family === 4 ? "ipv4" : "ipv6";
  if (LOCAL.check(address, name)) return "local";
  return PRIVATE.check(address, name) ? "private" : "public";
}

/** Whether the host of a redirect may have this address. */
export function isWithin(scope: RedirectScope, address: string): boolean {
  const found = addressScope(address);
  return found === "public" || (found === "private" && scope === "site");
}

function listOf(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  const add = (subnet: string, family: "ipv4" | "ipv6") => {
    const [network = "", prefix = ""] = subnet.split("/");
    list.addSubnet(network, Number(prefix), family);
  };
  for (const subnet of ipv4) add(subnet, "ipv4");
  for (const subnet of ipv6) add(subnet, "ipv6");
  return list;
}
