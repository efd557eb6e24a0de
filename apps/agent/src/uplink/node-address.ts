/** The node's own addresses that others may see as a source: global unicast, the tunnel's left out. */
import { BlockList, type IPVersion } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";

/** Most addresses said: a node with bridges and pods has more, but none that leaves the node before these. */
export const ADDRESSES_MAX = 16;

/** The tunnel's interface: kernel WireGuard, or Talos's userspace device when WireGuard goes through gRPC. */
export const TUNNEL_INTERFACES: readonly string[] = ["siderolink", "siderolinktun"];

const near = new BlockList();
// Unspecified and loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5), link-local (RFC 3927, RFC 4291 §2.5.6), multicast and beyond.
near.addSubnet("0.0.0.0", 8, "ipv4");
near.addSubnet("127.0.0.0", 8, "ipv4");
near.addSubnet("169.254.0.0", 16, "ipv4");
near.addSubnet("224.0.0.0", 3, "ipv4");
near.addAddress("::", "ipv6");
near.addAddress("::1", "ipv6");
near.addSubnet("fe80::", 10, "ipv6");
near.addSubnet("ff00::", 8, "ipv6");

type Interfaces = Readonly<Record<string, readonly Pick<NetworkInterfaceInfo, "address" | "family">[] | undefined>>;

/** The addresses, in the kernel's order of interfaces, each once, at most {@link ADDRESSES_MAX}. */
export function nodeAddresses(interfaces: Interfaces): string[] {
  const found = new Set<string>();
  for (const [name, list = []] of Object.entries(interfaces)) {
    if (TUNNEL_INTERFACES.includes(name)) continue;
    for (const { address, family } of list) {
      const version: IPVersion = family === "IPv4" ? "ipv4" : "ipv6";
      if (!near.check(address, version)) found.add(address);
    }
  }
  return [...found].slice(0, ADDRESSES_MAX);
}
