/**
 * Whether a node reaches an endpoint through the HTTP proxy of its environment. The rules are those of Go's httpproxy,
 * which Talos uses (golang.org/x/net/http/httpproxy, Config). An entry of NO_PROXY is an address, a CIDR prefix, a
 * domain or `*`. A domain covers itself and its subdomains; with a leading dot, only its subdomains. Addresses and
 * domains may have a port. Loopback is never proxied.
 */
import { literalFamily, type ProxyEndpoint } from "@lifeline/measure";
import ipaddr from "ipaddr.js";
import type { ProxyFacts } from "./condition.ts";
import { isLoopback, readHostPort } from "./endpoint.ts";

/** The proxy for HTTPS to `host`:`port`; undefined: direct. */
export function httpsProxyFor(host: string, port: number, proxy: ProxyFacts | undefined): ProxyEndpoint | undefined {
  return proxy !== undefined && isProxied(host, port, proxy) ? proxy.https : undefined;
}

/** Whether HTTPS to `host`:`port` goes to the proxy that HTTPS_PROXY names, if it names one. */
export function isProxied(host: string, port: number, { noProxy }: ProxyFacts): boolean {
  if (host.toLowerCase() === "localhost" || isLoopback(host)) return false;
  return !noProxy.some((entry) => covers(entry, host, port));
}

/** Whether `*` or a CIDR prefix in NO_PROXY covers the whole prefix (`fdae:41e4:649b:9303::/64`). */
export function coversPrefix(noProxy: readonly string[], prefix: string): boolean {
  const wanted = cidrOf(prefix);
  return noProxy.some((entry) => {
    if (entry === "*") return true;
    const held = cidrOf(entry);
    return held !== undefined && wanted !== undefined && isWithin(wanted, held);
  });
}

function covers(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  const cidr = cidrOf(entry);
  if (cidr !== undefined)
    return literalFamily(host) !== undefined && isWithin([ipaddr.parse(host), hostBits(host)], cidr);
  const { name, ownPort } = entryOf(entry);
  if (ownPort !== undefined && ownPort !== port) return false;
  return literalFamily(name) === undefined ? isDomainOf(name, host) : isSameAddress(name, host);
}

/** Splits an entry into its name and its port, if it has one. */
function entryOf(given: string): { readonly name: string; readonly ownPort: number | undefined } {
  // `*.example` means the same as `.example`.
  const entry = given.replace(/^\*(?=\.)/, "");
  if (literalFamily(entry) !== undefined) return { name: entry, ownPort: undefined };
  const endpoint = readHostPort(entry.startsWith(".") ? entry.slice(1) : entry);
  if (endpoint === undefined) return { name: entry.replace(/^\[|\]$/g, ""), ownPort: undefined };
  return { name: entry.startsWith(".") ? `.${endpoint.host}` : endpoint.host, ownPort: endpoint.port };
}

function isDomainOf(domain: string, host: string): boolean {
  const [name, wanted] = [host.toLowerCase().replace(/\.$/, ""), domain.toLowerCase()];
  if (wanted === "" || literalFamily(host) !== undefined) return false;
  // A leading dot excludes the domain itself.
  return wanted.startsWith(".") ? name.endsWith(wanted) : name === wanted || name.endsWith(`.${wanted}`);
}

function isSameAddress(literal: string, host: string): boolean {
  if (literalFamily(host) === undefined) return false;
  return ipaddr.parse(literal).toNormalizedString() === ipaddr.parse(host).toNormalizedString();
}

type Cidr = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

function cidrOf(text: string): Cidr | undefined {
  return text.includes("/") && ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : undefined;
}

function hostBits(host: string): number {
  return literalFamily(host) === 4 ? 32 : 128;
}

function isWithin([address, bits]: Cidr, [network, networkBits]: Cidr): boolean {
  if (address.kind() !== network.kind() || bits < networkBits) return false;
  return address instanceof ipaddr.IPv6
    ? address.match(network as ipaddr.IPv6, networkBits)
    : address.match(network as ipaddr.IPv4, networkBits);
}
