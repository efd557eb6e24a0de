/** What each cause means, what shows it, and what the network team does about it: the text of docs/causes.md. */
import type { Cause } from "@lifeline/measure";

/** One cause, explained. */
export interface CauseFacts {
  readonly meaning: string;
  readonly evidence: string;
  /** What the network team does. */
  readonly networkTeam: string;
}

const resolver = "Let the node reach its resolvers on port 53, UDP and TCP, and let them answer.";
const facts = (meaning: string, evidence: string, networkTeam: string): CauseFacts => ({
  meaning,
  evidence,
  networkTeam,
});

/** Every cause. */
export const CAUSE_FACTS: Readonly<Record<Cause, CauseFacts>> = {
  none: facts("Nothing is wrong.", "The endpoint answers as it should, or the row does not apply.", "Nothing."),
  "dns-nxdomain": facts(
    "The name does not exist.",
    "NXDOMAIN twice in a row for this name.",
    "Nothing: the deployment's owner checks its spelling, or the owner of its zone creates it.",
  ),
  "dns-nodata": facts(
    "The name has no address.",
    "An empty answer for every address family that is measured.",
    "Give the name an address.",
  ),
  "dns-servfail": facts("The resolver failed.", "SERVFAIL twice in a row.", resolver),
  "dns-refused": facts("The resolver refuses to answer this node.", "REFUSED twice in a row.", resolver),
  "dns-timeout": facts("No resolver answers.", "Three queries in a row without an answer.", resolver),
  "dns-unreachable": facts("No resolver can be reached.", "Refused, or no route, twice in a row.", resolver),
  "dns-malformed": facts(
    "The resolver's answer cannot be read.",
    "Two such answers in a row.",
    "Look for a device that rewrites DNS.",
  ),
  "dns-drift": facts(
    "The name has new addresses, and they fail.",
    "The addresses of the last good sample, compared with the addresses now.",
    "Point the name at working addresses, or allow the new ones.",
  ),
  "dns-one-family": facts(
    "The resolver answers for one address family alone.",
    "A queries are answered and AAAA queries are not, or the other way round, at the same resolver.",
    "Let the resolver answer both. That a name has no such address is an answer too.",
  ),
  "no-common-family": facts(
    "The host has no address of a family that the node has.",
    "An empty answer for the only address family that the node has a route for.",
    "Give the node NAT64 with DNS64, or a route of the other family. Otherwise name a mirror in the deployment.",
  ),
  refused: facts(
    "Nothing listens, or a firewall rejects.",
    "A reset or port-unreachable, twice in a row.",
    "Find the firewall that rejects. If there is none, the service is down.",
  ),
  "wrong-endpoint": facts(
    "Something refuses at the advertised SideroLink endpoint.",
    "ECONNREFUSED on the connected UDP socket, twice.",
    "Correct the advertised address and port, or start Omni there.",
  ),
  timeout: facts(
    "Sent, and nothing came back.",
    "Three attempts in a row are silent; the first of them was watched for two seconds after its loss threshold.",
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
    "Some packets are lost at random.",
    "More losses within a minute than a path with 0.2 % loss has once in a million minutes: 5 of 60, or 6 of 120.",
    "Look for a lossy link, a full queue or a rate limit, in the direction named.",
  ),
  latency: facts(
    "The endpoint answers, but later than the loss threshold.",
    "Answers within two seconds after the threshold, with their round trip; the kernel's own figure for a handshake.",
    "Look for a full queue, a detour or a satellite link between the node and the endpoint.",
  ),
  "dead-address": facts(
    "The name has several addresses, and some of them fail.",
    "One address an attempt, in turn: each has a streak of its own.",
    "Allow the port to the addresses named. If that changes nothing, the server there is down.",
  ),
  "ipv4-unreachable": facts(
    "IPv4 as a whole does not work from the node.",
    "Every row over IPv4 fails, at two hosts at least, and IPv6 reaches the same hosts.",
    "Fix routing or the firewall for IPv4.",
  ),
  "ipv6-unreachable": facts(
    "IPv6 as a whole does not work from the node.",
    "Every row over IPv6 fails, at two hosts at least, and IPv4 reaches the same hosts.",
    "Fix routing or the firewall for IPv6, or disable IPv6 on the node.",
  ),
  "tls-untrusted": facts(
    "The certificate chain does not end at a trusted authority.",
    "The captured chain, twice.",
    "Exempt the host from TLS inspection. If its CA is private, name it in the deployment.",
  ),
  "tls-incomplete-chain": facts(
    "The server does not send the intermediate certificate.",
    "The captured chain, twice.",
    "Nothing: the server's owner must send the intermediate certificate.",
  ),
  "tls-intercepted": facts(
    "A middlebox replaces the server's certificate.",
    "The name of an interception product in the chain, an issuer that this host never has, or an issuer that most nodes do not see.",
    "Exempt the host from TLS inspection.",
  ),
  "tls-name": facts(
    "The certificate is for another name.",
    "The captured chain, twice.",
    "Check that the name resolves to the right host.",
  ),
  "tls-expired": facts(
    "A certificate of the chain has expired.",
    "The end of its validity, on a node whose clock does not explain it. The evidence names the certificate: the server's, an intermediate or a root.",
    "Nothing: its owner renews it.",
  ),
  "tls-not-yet-valid": facts(
    "A certificate of the chain is not valid yet.",
    "The start of its validity, on a node whose clock is known to be right.",
    "Nothing: the owner of the host serves a certificate that is valid now.",
  ),
  "tls-ends-soon": facts(
    "A certificate of an own endpoint ends soon.",
    "It ends within 14 days (certificates.endsSoonDays), and less than a fifth of its life is left.",
    "Nothing: its owner renews it.",
  ),
  "tls-filtered": facts(
    "A filter on the path cuts TLS to a public host.",
    "The connection is made, and the ClientHello is answered by a reset, a close, silence, a TLS alert or plain text, twice. Where another name passes at the same address, the filter acts by the server name (SNI).",
    "Exempt the host from that filter.",
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
    "Check whether a proxy answers instead of the server.",
  ),
  "http-redirected": facts(
    "The answer redirects outside the documented hosts: a captive portal, a block page, or a host that no document names.",
    "The redirect's host, twice; or a documented host whose address is loopback, link-local or private.",
    "Exempt the node from that portal or page. If the host is right, its owner names it in the deployment.",
  ),
  "http-protocol": facts(
    "The answer is not the HTTP version requested.",
    "Two such answers.",
    "Let the reverse proxy speak HTTP/2.",
  ),
  "unexpected-page": facts(
    "A login, maintenance or block page answers with the right status.",
    "A body where the service answers an empty one, twice; its length, media type and title.",
    "Exempt the node from login and block pages.",
  ),
  "upstream-down": facts(
    "A proxy answers, and the service behind it is down.",
    "HTTP 502, 503 or 504, or gRPC status 14, twice.",
    "Nothing: the path is open. The service's owner starts it.",
  ),
  "rate-limited": facts(
    "The endpoint asks to be left alone: this site or this node asks too often, or is not served.",
    "HTTP 429, or a kiss-o'-death of a time server. It is not asked again before the pause is over that it names.",
    "Use a mirror of the site, or give nodes more public addresses.",
  ),
  "not-machine-api": facts(
    "A gRPC server answers, and it is not the Machine API.",
    "gRPC status 12 without the text by which Omni names its own service, twice.",
    "Nothing: Omni's owner corrects the reverse proxy or the address.",
  ),
  "grpc-denied": facts(
    "A proxy in front of Omni denies the call.",
    "gRPC status 7, twice.",
    "Allow the node's addresses in that proxy.",
  ),
  "grpc-credentials": facts(
    "A proxy in front of Omni wants credentials.",
    "gRPC status 16, twice.",
    "Nothing: Omni's owner exempts the Machine API from the proxy's authentication.",
  ),
  "grpc-status": facts(
    "A gRPC status that Omni does not answer with.",
    "The status and its message, twice.",
    "Nothing: Omni's owner reads the proxy's log.",
  ),
  "not-a-registry": facts(
    "Something other than a container registry answers.",
    "The answer to /v2/, twice: 404, a page, or 401 without a challenge.",
    "Look for a block page. Otherwise nothing: the mirror's owner corrects its address or path.",
  ),
  "object-missing": facts(
    "The registry does not have the image that the catalogue asks for.",
    "404 for the image, twice; /v2/ answers as a registry does.",
    "Look for a filter that answers 404 for public images.",
  ),
  "token-host": facts(
    "The host that gives a registry's tokens does not answer.",
    "The registry asks for a token of that host, and the request there failed, twice.",
    "Allow TCP 443 to that host.",
  ),
  "grpc-protocol": facts("The answer is not gRPC.", "Two such answers.", "Let the reverse proxy pass gRPC."),
  proxy: facts(
    "The HTTP proxy itself fails.",
    "The proxy refuses or cannot be reached; or the direct path works and the path through the proxy fails.",
    "Allow CONNECT to the host.",
  ),
  "no-proxy": facts(
    "The tunnel's prefix is missing from NO_PROXY.",
    "The node's proxy settings, compared with its tunnel prefix.",
    "Nothing: the node's owner adds fdae::/64 to NO_PROXY.",
  ),
  "stamp-protocol": facts(
    "Something other than a STAMP reflector answers.",
    "Two malformed replies.",
    "Find out what answers at that port.",
  ),
  "stamp-key": facts(
    "The reflector requires a key, and the agent has none.",
    "An agent without stampKeyFile.",
    "Nothing: the node's owner gives the agent the key.",
  ),
  "udp-blocked": facts(
    "UDP is suspected to be blocked.",
    "The Machine API answers, the tunnel sends and receives nothing, and no witness shows the direction.",
    "Allow the UDP port and its answers back. If that is impossible, use the gRPC tunnel.",
  ),
  "forward-path-blocked": facts(
    "The node's datagrams do not arrive at Omni.",
    "The witness has received nothing from the node since the onset; or packets that Omni sends by itself come through the tunnel while no probe is answered.",
    "Allow UDP from the node to Omni. If STAMP passes, exempt WireGuard from payload inspection.",
  ),
  "return-path-blocked": facts(
    "Omni's answers do not come back.",
    "The witness receives the node's datagrams, and the tunnel receives nothing.",
    "Allow the answers back. Look for a firewall or NAT that drops the state of the flow.",
  ),
  "tunnel-stale": facts(
    "The UDP path is open, and the WireGuard session is dead.",
    "STAMP answers from the same port, and nothing comes back through the tunnel.",
    "Clear the state of the tunnel's flow in NATs, unless a witness receives the node. Otherwise nothing: Omni may have restarted or lost the peer.",
  ),
  "server-unresponsive": facts(
    "Omni's server accepts connections and does not answer.",
    "TCP connections are made, TLS or the call on them times out, and the tunnel died at the same time without a refusal.",
    "Nothing: Omni's owner restarts Omni, or what stands in front of it.",
  ),
  "grpc-tunnel-stalled": facts(
    "The gRPC stream that carries the tunnel stalls.",
    "The Machine API answers new calls, and no probe through the tunnel is answered. No UDP port is involved.",
    "Look for a firewall, NAT or proxy that drops long TCP connections without a reset.",
  ),
  "not-joined": facts(
    "The node has no siderolink interface.",
    "Two readings of the node's interfaces.",
    "Nothing unless the Machine API fails too.",
  ),
  "other-omni": facts(
    "The node was given another Omni than the deployment's.",
    "The node's siderolink.api kernel argument, compared with the deployment's Machine API. Two names of one server are no fault.",
    "Nothing: the node's owner boots it with the right siderolink.api, or the deployment names the other one.",
  ),
  hairpin: facts(
    "The host name leads to the node's own router.",
    "The address that answers is the next hop of the node's default route.",
    "Give the router NAT loopback (hairpin) for the host, or let the site's resolver answer with its inner address.",
  ),
  "ipv6-disabled": facts(
    "The interface has no IPv6 address.",
    "Two readings of the node's interfaces.",
    "Nothing: the node's owner enables IPv6 in the kernel.",
  ),
  "path-mtu": facts(
    "Only large packets are lost.",
    "Large packets lost in a row while smaller ones of the same protocol pass, with a chance of at most 0.1 % given the loss of small packets; or the mtu probe.",
    "Let packets of 1,340 bytes (IPv4) and 1,360 bytes (IPv6) pass.",
  ),
  "duplicate-node": facts(
    "Two machines share one UUID.",
    "Two machines report under one node id.",
    "Nothing: the machines need UUIDs of their own.",
  ),
  "time-unsynchronised": facts(
    "The time server is not synchronised itself.",
    "Leap indicator 3, stratum 0 or 16, no transmit time, or a root distance over 16 s, twice in a row.",
    "Nothing: the server's owner restores its own time source.",
  ),
  "time-unproven": facts(
    "The time is not proven by NTS, or does not come from the time server at all.",
    "The answer over UDP lacks a valid authenticator or the request's unique identifier; or the key exchange failed above TLS; or the server rejected its own cookie. Twice in a row. Without NTS: datagrams that answer no request, three times.",
    "Exempt NTP and NTS of the node from interception: pass UDP 123 with extension fields, and TCP 4460, unchanged.",
  ),
  "unsupported-proxy": facts(
    "The node uses a proxy of a kind that Lifeline does not support, or one that Talos cannot dial.",
    "The scheme of HTTPS_PROXY or of egress.httpProxy; or HTTPS_PROXY without a port.",
    "Nothing: it says nothing about the network.",
  ),
  "no-evidence": facts(
    "There is no evidence either way.",
    "Silence from a peer that need not answer, or a registry whose token host no document names.",
    "Nothing yet.",
  ),
  "no-data": facts(
    "No fresh sample.",
    "No window arrived within 30 s, or within three attempts where these are rarer.",
    "Let the agent reach the collector.",
  ),
  "not-measured": facts(
    "Not measured.",
    "The agent could not measure, or no setting names the endpoint.",
    "Nothing: it says nothing about the network.",
  ),
};

/** The text of docs/causes.md. */
export function causesDocument(): string {
  const sections = Object.entries(CAUSE_FACTS).map(
    ([cause, { meaning, evidence, networkTeam }]) =>
      `## ${cause}\n\n${meaning}\n\n- Evidence: ${evidence}\n- Network team: ${networkTeam}\n`,
  );
  return `# Causes\n\nGenerated from packages/verdict/src/cause-facts.ts by \`pnpm run generate\`.\n\n${sections.join("\n")}`;
}
