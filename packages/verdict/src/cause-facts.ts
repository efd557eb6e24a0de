/** What each cause means, what shows it, and what to tell the network team: the text of docs/causes.md. */
import type { Cause } from "@lifeline/measure";

/** One cause, explained. */
export interface CauseFacts {
  readonly meaning: string;
  readonly evidence: string;
  readonly tell: string;
}

const resolver = "Let the node reach its resolvers on port 53, UDP and TCP, and let them answer this name.";
const facts = (meaning: string, evidence: string, tell: string): CauseFacts => ({ meaning, evidence, tell });

/** Every cause. */
export const CAUSE_FACTS: Readonly<Record<Cause, CauseFacts>> = {
  none: facts("Nothing is wrong.", "Answers as they should be, or a row that does not apply.", "Nothing."),
  "dns-nxdomain": facts(
    "The name does not exist.",
    "NXDOMAIN twice in a row.",
    "Create the name, or correct it in the deployment.",
  ),
  "dns-nodata": facts(
    "The name has no address.",
    "An empty answer in every measured family.",
    "Give the name an address.",
  ),
  "dns-servfail": facts("The resolver failed.", "SERVFAIL twice in a row.", resolver),
  "dns-refused": facts("The resolver will not answer this node.", "REFUSED twice in a row.", resolver),
  "dns-timeout": facts("No resolver answers.", "Three queries in a row without an answer.", resolver),
  "dns-unreachable": facts("No resolver can be reached.", "Refused, or no route, twice in a row.", resolver),
  "dns-malformed": facts(
    "The resolver's answer cannot be read.",
    "Two such answers in a row.",
    "Look for a device that rewrites DNS.",
  ),
  "dns-drift": facts(
    "The name resolves to other addresses than when it last worked, and these fail.",
    "The answers of the last good sample beside those of now.",
    "Point the name at working addresses, or allow the new ones.",
  ),
  refused: facts(
    "Nothing listens, or a firewall rejects.",
    "A reset or port-unreachable, twice in a row.",
    "Say which firewall rejects; else the service is down.",
  ),
  "wrong-endpoint": facts(
    "Something refuses at the advertised SideroLink endpoint.",
    "ECONNREFUSED on the connected UDP socket, twice.",
    "Correct the advertised address and port, or start Omni there.",
  ),
  timeout: facts(
    "Sent, and nothing came back.",
    "Three in a row lost or late.",
    "Allow the port and its answers back.",
  ),
  unreachable: facts("No route.", "An ICMP unreachable, or no route on the node, twice.", "Restore the route."),
  filtered: facts(
    "A firewall prohibits it.",
    "ICMP administratively prohibited, twice.",
    "Allow the port in that firewall.",
  ),
  reset: facts(
    "The connection is cut after it was made.",
    "Two resets in a row.",
    "Look for a device that cuts connections.",
  ),
  loss: facts(
    "Answers come and go at random.",
    "The low end of the 95 % Wilson interval of loss above 1 %, and three losses or more.",
    "Look for a lossy link, a full queue or a rate limit, in the direction named.",
  ),
  "tls-untrusted": facts(
    "The certificate leads to no trusted authority.",
    "The captured chain, twice.",
    "Exempt the host from inspection, or name its private authority.",
  ),
  "tls-incomplete-chain": facts(
    "The server leaves out the intermediate.",
    "The captured chain, twice.",
    "Nothing: the server's owner serves the intermediate.",
  ),
  "tls-intercepted": facts(
    "Another certificate stands in the server's place.",
    "A vendor's mark, an issuer the host does not have, or one that the fleet does not see.",
    "Exempt the host from TLS inspection.",
  ),
  "tls-name": facts(
    "The certificate is for another name.",
    "The captured chain, twice.",
    "See that the address is that of the host asked.",
  ),
  "tls-expired": facts(
    "The certificate has expired.",
    "Its end, on a node whose clock is not known to be wrong.",
    "Nothing: its owner renews it.",
  ),
  "tls-protocol": facts(
    "TLS or ALPN cannot be negotiated.",
    "Two failed handshakes.",
    "Let the reverse proxy speak TLS and HTTP/2.",
  ),
  clock: facts(
    "The node's clock is wrong.",
    "Offset against the collector from 1 s (degraded) or 10 s (unmet), or a certificate not valid yet.",
    "Allow UDP 123, and TCP 4460 for NTS, to the time server.",
  ),
  "http-status": facts(
    "An unexpected HTTP status.",
    "The status, twice.",
    "See whether a proxy answers in the server's place.",
  ),
  "http-redirected": facts(
    "A captive or block page.",
    "A redirect to a host that was not asked, twice.",
    "Exempt the node from that page.",
  ),
  "http-protocol": facts("Not the HTTP version asked for.", "Two such answers.", "Let the reverse proxy speak HTTP/2."),
  "grpc-protocol": facts("An answer, but not gRPC.", "Two such answers.", "Let the reverse proxy pass gRPC."),
  proxy: facts(
    "The HTTP proxy itself fails.",
    "Its refusal, or the direct way working where the proxied one fails.",
    "Let CONNECT to the host through.",
  ),
  "no-proxy": facts(
    "The tunnel's prefix is missing from NO_PROXY.",
    "The node's proxy settings beside its prefix.",
    "Nothing: the node's owner adds fdae::/64.",
  ),
  "stamp-protocol": facts(
    "What answers is no STAMP reflector.",
    "Two malformed replies.",
    "See what answers at that port.",
  ),
  "stamp-key": facts(
    "The reflector wants a key that the agent lacks.",
    "An agent without stampKeyFile.",
    "Nothing: the node's owner gives the key.",
  ),
  "udp-blocked": facts(
    "UDP is suspected to be blocked.",
    "Machine API answers, the tunnel sends and receives nothing, and nothing tells the direction.",
    "Allow the UDP port and its answers back; else use the gRPC tunnel.",
  ),
  "forward-path-blocked": facts(
    "The node's datagrams do not arrive at Omni.",
    "The witness has not heard the node since the onset.",
    "Allow UDP from the node; where STAMP passes, exempt it from payload inspection.",
  ),
  "return-path-blocked": facts(
    "Omni's answers do not come back.",
    "The witness hears the node, the tunnel receives nothing.",
    "Allow the answers back; look for a firewall or NAT that forgets the flow.",
  ),
  "tunnel-stale": facts(
    "The path is open and the WireGuard session is not.",
    "STAMP answers from the very port, the tunnel is dead.",
    "Nothing but NAT: see whether it has forgotten the flow. Omni may have restarted or lost the peer.",
  ),
  "not-joined": facts(
    "The node has no siderolink interface.",
    "Two readings.",
    "Nothing unless the Machine API fails too.",
  ),
  "ipv6-disabled": facts(
    "The interface has no IPv6 address.",
    "Two readings.",
    "Nothing: the node's kernel needs IPv6.",
  ),
  "path-mtu": facts(
    "Only large packets are lost.",
    "A run of large losses with a chance of at most 0.1 % by the loss of small ones, or the mtu probe.",
    "Let packets of 1,340 bytes (IPv4) and 1,360 bytes (IPv6) pass.",
  ),
  "duplicate-node": facts(
    "Two machines share one UUID.",
    "Two speakers under one node id.",
    "Nothing: the machines need UUIDs of their own.",
  ),
  "no-evidence": facts("Nothing tells, either way.", "Silence from a peer that need not answer.", "Nothing yet."),
  "no-data": facts("No fresh sample.", "No window within the stale time.", "Let the agent reach the collector."),
  "not-measured": facts(
    "Not measured.",
    "The agent's own trouble, or an endpoint that nothing names.",
    "Nothing: it says nothing of the network.",
  ),
};

/** The document that docs/causes.md is. */
export function causesDocument(): string {
  const sections = Object.entries(CAUSE_FACTS).map(
    ([cause, { meaning, evidence, tell }]) =>
      `## ${cause}\n\n${meaning}\n\n- Evidence: ${evidence}\n- Tell the network team: ${tell}\n`,
  );
  return `# Causes\n\nGenerated from packages/verdict/src/cause-facts.ts by \`pnpm run generate\`.\n\n${sections.join("\n")}`;
}
