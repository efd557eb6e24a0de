/** The node's own addresses that a peer may see as a source: global unicast, without the tunnel's. */
import { BlockList, type IPVersion } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import { SIDEROLINK_INTERFACES } from "@lifeline/probe";

/**
 * Most addresses reported: a node with bridges and pods has more, but those come after the ones that leave the node.
 */
export const ADDRESSES_MAX = 16;

const notGlobal = new BlockList();
// Unspecified and loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5), link-local (RFC 3927, RFC 4291 §2.5.6), multicast and
// beyond.
notGlobal.addSubnet("0.0.0.0", 8, "ipv4");
notGlobal.addSubnet("127.0.0.0", 8, "ipv4");
notGlobal.addSubnet("169.254.0.0", 16, "ipv4");
notGlobal.addSubnet("224.0.0.0", 3, "ipv4");
notGlobal.addAddress("::", "ipv6");
notGlobal.addAddress("::1", "ipv6");
notGlobal.addSubnet("fe80::", 10, "ipv6");
notGlobal.addSubnet("ff00::", 8, "ipv6");

type Interfaces = Readonly<Record<string, readonly Pick<NetworkInterfaceInfo, "address" | "family">[] | undefined>>;

/** The addresses, in the kernel's order of interfaces, each once, at most {@link ADDRESSES_MAX}. */
export function nodeAddresses(interfaces: Interfaces): string[] {
  const found = new Set<string>();
  for (const [name, list = []] of Object.entries(interfaces)) {
    if (SIDEROLINK_INTERFACES.includes(name)) continue;
    for (const { address, family } of list) {
      const version: IPVersion = family === "IPv4" ? "ipv4" : "ipv6";
      if (!notGlobal.check(address, version)) found.add(address);
    }
  }
  return [...found].slice(0, ADDRESSES_MAX);
}
