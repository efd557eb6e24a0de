/**
 * The nftables rules with which a reflector and WireGuard share a port (nft(8), `nft -f`). STAMP requests to the port
 * are redirected to the reflector. Conntrack translates the replies, so they leave from the shared port.
 *
 * 1. WireGuard is recognised by the first 32 bits of a datagram, a type 1–4 and three zero bytes, and never redirected.
 * 2. The first packet of a flow decides about NAT. WireGuard and STAMP must therefore come from different source ports,
 *    as they do.
 * 3. The table is Lifeline's own. `nft delete table inet lifeline` removes all rules, and loading them again replaces
 *    them.
 */
import { RECEIVED_SETS } from "./nft-set.ts";

/**
 * WireGuard's message types with their three reserved zeros (WireGuard protocol, "Messages"), as 32 bits in network
 * order.
 */
const WIREGUARD = "{ 0x01000000, 0x02000000, 0x03000000, 0x04000000 }";

/** The port to share, and with what. */
export interface NftablesOptions {
  /** WireGuard's UDP port, 1–65535. */
  readonly port: number;
  /** The reflector's own UDP port on the same host, 1–65535; not `port`. */
  readonly reflectorPort: number;
  /** Whether WireGuard's datagrams are counted by source. */
  readonly witness: boolean;
}

/** The rules as text for `nft -f`. */
export function nftablesRules({ port, reflectorPort, witness }: NftablesOptions): string {
  return `# Undo: nft delete table inet lifeline
table inet lifeline
delete table inet lifeline
table inet lifeline {
${witness ? countingRules(port) : ""}  chain share {
    type nat hook prerouting priority dstnat; policy accept;
    udp dport ${port} @th,64,32 != ${WIREGUARD} redirect to :${reflectorPort}
  }
}
`;
}

/** At priority mangle a chain sees every datagram. At priority dstnat it would see only the first of a flow. */
function countingRules(port: number): string {
  const set = (name: string, type: string) =>
    `  set ${name} { type ${type} . inet_service; size 65535; flags dynamic,timeout; timeout 10m; counter; }\n`;
  const rule = (nfproto: string, name: string, source: string) =>
    `    meta nfproto ${nfproto} udp dport ${port} @th,64,32 ${WIREGUARD} update @${name} { ${source} . udp sport counter }\n`;
  const { 4: set4, 6: set6 } = RECEIVED_SETS;
  return `${set(set4, "ipv4_addr")}${set(set6, "ipv6_addr")}  chain count {
    type filter hook prerouting priority mangle; policy accept;
${rule("ipv4", set4, "ip saddr")}${rule("ipv6", set6, "ip6 saddr")}  }
`;
}
