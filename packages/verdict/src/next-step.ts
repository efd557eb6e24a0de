/** Who must change what, for each reason (J2). */
import { proxyName, type Reason, type Target, targetPlace } from "@lifeline/measure";

type Step = (target: Target, where: string) => string;

const openFirewall: Step = (target, where) =>
  target.inTunnel === true
    ? INSIDE_TUNNEL
    : `Network team: allow ${transportOf(target)} from this node to ${where} and its answers back.`;
/** No firewall between the node and Omni sees the ports inside the tunnel. */
const INSIDE_TUNNEL =
  "Omni owner: if the rows of the tunnel's interface, the SideroLink endpoint and the Machine API are met, let Omni's host answer this port inside the tunnel.";
const fixResolver: Step = ({ host }) =>
  `Network team: make the node's resolvers answer for ${host}; node owner: check the machine's nameservers.`;
const fixQueriedResolver: Step = (target, where) =>
  `Owner of the resolver ${where}: let it answer this node's ${queryOf(target)}; node owner: or configure another resolver.`;
const fixProxy: Step = (_, where) =>
  `Omni owner: check the reverse proxy in front of ${where}; it must pass HTTP/2 and gRPC to the service behind it.`;
const rateLimited: Step = ({ options }, where) =>
  ["ntp", "nts"].includes(options.probe)
    ? leftAlone(where)
    : `Owner of ${where}: raise the limit for this site's address${options.probe === "registry" ? "; node owner: or pull through a mirror of the site" : ""}.`;
const leftAlone = (where: string) =>
  `Owner of the time server ${where}: serve this site's address; node owner: or configure another time server.`;
const proxyPhrase = (proxy: Target["proxy"]) => (proxy === undefined ? "" : ` ${proxyName(proxy)}`);
const agentTrouble = "Node owner: give the agent the CPU, memory and permissions it needs; see its self-metrics.";

const steps: Record<Reason, Step | string> = {
  answered: "",
  "dns-nxdomain": ({ host }) => `Owner of the zone of ${host}: create the name; deployment owner: check its spelling.`,
  "dns-nodata": ({ host }) => `Owner of the zone of ${host}: give the name an address.`,
  "dns-servfail": fixResolver,
  "dns-refused": fixResolver,
  "dns-timeout": fixResolver,
  "dns-unreachable": fixResolver,
  "dns-malformed": fixResolver,
  refused: (_, where) =>
    `Owner of ${where}: start the service or correct the port; network team: look for a firewall that rejects with a reset.`,
  timeout: openFirewall,
  late: (_, where) =>
    `Network team: look for queueing, overload or a detour between this node and ${where}; answers come, but slowly.`,
  "syn-lost": (_, where) =>
    `Network team: look for a lossy link, a full queue or a filter that drops the first SYN between this node and ${where}.`,
  "tunnel-one-way": openFirewall,
  "host-unreachable": (_, where) => `Network team: restore the route to ${where}; a router on the path has none.`,
  "network-unreachable": ({ family }, where) =>
    `Node owner: give the node an IPv${family} route to ${where}, such as a default gateway.`,
  "admin-prohibited": openFirewall,
  reset: (_, where) =>
    `Network team: look for a firewall or proxy that cuts connections to ${where}; owner of the endpoint: read its log.`,
  "handshake-timeout": (_, where) =>
    `Network team: look for a device that accepts connections to ${where} and passes nothing on, or a path MTU below 1,360 bytes.`,
  "tls-untrusted": (_, where) => `Network team: exempt ${where} from TLS interception.`,
  "tls-name-mismatch": ({ host }) => `Owner of ${host}: serve a certificate that names ${host}.`,
  "tls-not-yet-valid": "Node owner: correct the node's clock; see the time server rows.",
  "tls-expired": ({ host }) => `Owner of ${host}: renew the certificate.`,
  "tls-protocol": fixProxy,
  "tls-alert": fixProxy,
  "tls-plaintext": (_, where) =>
    `Owner of ${where}: serve TLS at this port; deployment owner: or correct the port, if TLS is served at another one.`,
  "alpn-mismatch": fixProxy,
  "http-status": (_, where) => `Owner of ${where}: read its log for this path and status.`,
  "http-redirected": (_, where) =>
    `Network team: exempt this node's traffic to ${where} from the captive portal or block page; deployment owner: or, if the host that it redirects to is meant, name it as egress.redirectHosts.`,
  "http-protocol": fixProxy,
  "grpc-protocol": fixProxy,
  "rate-limited": rateLimited,
  "rate-held": rateLimited,
  "unexpected-page": (_, where) =>
    `Network team: exempt ${where} from login and block pages; owner of ${where}: end the maintenance, or let the reverse proxy pass this path without a login.`,
  "upstream-down": (_, where) =>
    `Owner of ${where}: start the service behind the reverse proxy, or correct the proxy's upstream; the path from this node is open.`,
  "grpc-other-server": (_, where) =>
    `Omni owner: let the reverse proxy at ${where} pass gRPC calls to Omni's Machine API; deployment owner: check omni.machineApi.`,
  "grpc-denied": (_, where) =>
    `Omni owner: let the proxy in front of ${where} pass calls of nodes; it denies them before they reach Omni.`,
  "grpc-credentials": (_, where) =>
    `Omni owner: exempt ${where} from authentication by the proxy; nodes register without credentials of a proxy.`,
  "grpc-status": (_, where) => `Omni owner: read the log of the proxy and of Omni at ${where} for this gRPC status.`,
  "not-a-registry": (_, where) =>
    `Owner of ${where}: serve the registry API there; deployment owner: check the host, path and overridePath of the mirror.`,
  "registry-private": "",
  "object-missing": (_, where) =>
    `Owner of ${where}: find out why this public image does not exist there; network team: look for a filter that answers 404.`,
  "object-unproven": (_, where) =>
    `Deployment owner: name an image that ${where} has as airGapped.mirrors[].object; owner of ${where}: or add this one.`,
  "token-host-undocumented": (_, where) =>
    `Deployment owner: if ${where} is to take its tokens from the host named here, name that host as egress.redirectHosts, without port.`,
  "token-host-unreachable": (_, where) =>
    `Network team: allow this node TCP 443 to the host named here, which gives the tokens of ${where}.`,
  "redirect-not-allowed": ({ host }) =>
    `Network team: find out why ${host} resolves to an address inside the site; an answer of a block page or a resolver's filter does that.`,
  "stamp-malformed": (_, where) => `Omni owner: check that a STAMP reflector, and nothing else, answers at ${where}.`,
  "answer-servfail": (target, where) =>
    `Owner of the resolver ${where}: find out why it fails for ${queryOf(target)}; owner of the zone: check its name servers and DNSSEC.`,
  "answer-refused": fixQueriedResolver,
  "answer-malformed": fixQueriedResolver,
  silent: (_, where) =>
    `Omni owner: run a STAMP reflector that shares ${where}, so that the port can be confirmed; until then see the rows inside the tunnel.`,
  stalled: agentTrouble,
  "agent-overload": agentTrouble,
  "agent-resource": agentTrouble,
  "stamp-unkeyed": "Node owner: give the agent the reflector's key (stampKeyFile).",
  "tls-incomplete-chain": ({ host }) => `Owner of ${host}: serve the intermediate certificates with the leaf.`,
  "proxy-unreachable": "Network team: make the HTTP proxy reachable from this node.",
  "proxy-refused": (_, where) =>
    `Owner of the HTTP proxy: allow CONNECT to ${where}; if it answers 502, 503 or 504, let the proxy itself resolve and reach that host.`,
  "proxy-auth": "Node owner: give the agent the credentials of the HTTP proxy (HTTPS_PROXY).",
  "mtu-too-small": (_, where) => `Network team: let packets of 1,360 bytes pass to ${where}.`,
  "link-alive": "",
  "link-idle": "See the rows inside the tunnel.",
  "link-frozen":
    "See the rows of the Machine API and of the SideroLink endpoint: the interface only shows their fault.",
  "link-absent": "Node owner: find out why this node has not joined Omni.",
  "time-unsynchronised": ({ host }) =>
    `Owner of the time server ${host}: restore its own time source; node owner: or configure another time server.`,
  "ntp-stray": ({ host }) =>
    `Network team: exempt this node's NTP to ${host} from interception, or find out what answers at UDP 123 in its place.`,
  "nts-key-exchange": (_, where) =>
    `Network team: look for a device that answers in place of the time server at ${where}; owner of the time server: serve NTS there.`,
  "nts-refused": ({ host }) =>
    `Owner of the time server ${host}: let its NTS key exchange offer NTPv4 and AES-SIV-CMAC-256.`,
  "nts-silent": ({ host }) =>
    `Network team: allow UDP port 123 with NTS extension fields from this node to the time server of ${host} and its answers back.`,
  "nts-unproven": ({ host }) =>
    `Network team: exempt this node's NTP to the time server of ${host} from interception; until then Talos does not accept the time.`,
  "nts-nak": ({ host }) =>
    `Owner of the time server ${host}: give the key exchange and the time servers the same cookie keys.`,
  "proxy-auth-scheme": ({ proxy }) =>
    `Owner of the HTTP proxy${proxyPhrase(proxy)}: accept Basic authentication, or this node without any; Talos speaks no other kind.`,
  "proxy-untrusted": ({ proxy }) =>
    `Deployment owner: name the CA of the proxy${proxyPhrase(proxy)} as egress.caFile; node owner: and give it to the node.`,
  "link-no-address": "Node owner: enable IPv6 in the kernel of this node.",
};

/** The next step for a reason seen at a target; empty for good reasons. */
export function nextStepFor(reason: Reason, target: Target): string {
  const step = steps[reason];
  return typeof step === "string" ? step : step(target, targetPlace(target));
}

/** The next step when there is no fresh sample. */
export const NO_DATA_STEP =
  "Node owner: check that the agent runs and reaches the collector; the node keeps its windows and sends them later.";

/** The next step while there are too few samples to decide. */
export const UNCONFIRMED_STEP = "Wait for the next samples: one bad sample alone decides nothing.";

/** What a DNS target queries, such as `AAAA queries for omni.test`. */
export function queryOf({ options }: Target): string {
  return options.probe === "dns" ? `${options.type} queries for ${options.query}` : "queries";
}

function transportOf({ port, options }: Target): string {
  const udp =
    ["udp", "stamp", "ntp"].includes(options.probe) || (options.probe === "dns" && options.transport === "udp");
  return `${udp ? "UDP" : "TCP"} port ${port}`;
}
