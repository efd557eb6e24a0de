/**
 * The nftables ruleset by which a reflector shares a port with WireGuard (nft(8), `nft -f`): STAMP that comes to the port goes to
 * the reflector, and replies leave from the port, for conntrack translates them back.
 *
 * 1. What is WireGuard is told by the first 32 bits: a type 1–4 and three zero bytes. It is never redirected.
 * 2. NAT is decided by a flow's first packet: WireGuard and STAMP must come from different source ports, as they do.
 * 3. The table is Lifeline's own: `nft delete table inet lifeline` takes everything back, and loading it again replaces it.
 */

/** WireGuard's message types with their three reserved zeros (WireGuard protocol, "Messages"), as 32 bits in network order. */
const WIREGUARD = "{ 0x01000000, 0x02000000, 0x03000000, 0x04000000 }";

/** What the rules are for. */
export interface ShareOptions {
  /** WireGuard's UDP port, 1–65535. */
  readonly port: number;
  /** The reflector's own UDP port on the same host, 1–65535, another one. */
  readonly reflectorPort: number;
  /** Whether WireGuard's datagrams are counted by source. */
  readonly witness: boolean;
}

/** The ruleset as text. */
export function shareRules({ port, reflectorPort, witness }: ShareOptions): string {
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

/** At mangle priority each datagram is seen before NAT, and not only a flow's first. */
function countingRules(port: number): string {
  const set = (name: string, type: string) =>
    `  set ${name} { type ${type} . inet_service; size 65535; flags dynamic,timeout; timeout 10m; counter; }\n`;
  const rule = (nfproto: string, name: string, source: string) =>
    `    meta nfproto ${nfproto} udp dport ${port} @th,64,32 ${WIREGUARD} update @${name} { ${source} . udp sport counter }\n`;
  return `${set("heard4", "ipv4_addr")}${set("heard6", "ipv6_addr")}  chain hear {
    type filter hook prerouting priority mangle; policy accept;
${rule("ipv4", "heard4", "ip saddr")}${rule("ipv6", "heard6", "ip6 saddr")}  }
`;
}
