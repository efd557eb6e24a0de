/** Host names, address literals and `host:port`, read without touching the network. */
import { domainToASCII } from "node:url";
import {
  endpointName,
  isRegistryPath,
  isTargetHost,
  literalFamily,
  PROXY_SCHEMES,
  type ProxyEndpoint,
  type ProxyScheme,
} from "@lifeline/measure";
import ipaddr from "ipaddr.js";

/** Where to connect: a host name or an address literal (IPv6 without brackets), and a port of 1–65535. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** Whether the endpoint uses TLS; false for UDP. */
  readonly secure: boolean;
}

/** Lowest and highest port, RFC 6335 §6; 0 is reserved. */
export const PORT_MIN = 1;
export const PORT_MAX = 65_535;

/**
 * One label of a host name: letters, digits and inner hyphens, at most 63 (RFC 1123 §2.1). Underscores too, which
 * resolvers and Talos accept.
 */
const LABEL = /^\w([\w-]{0,61}\w)?$/;

/**
 * The canonical form of an address literal, equal for all spellings of one address: lower case, shortest zeros (RFC
 * 5952), and IPv4 for an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2). Undefined for a host name.
 */
export function canonicalAddress(host: string): string | undefined {
  return literalFamily(host) === undefined ? undefined : ipaddr.process(host).toString();
}

/** Whether `host` is a loopback literal (127.0.0.0/8, ::1), which needs no route. */
export function isLoopback(host: string): boolean {
  return literalFamily(host) !== undefined && ipaddr.parse(host).range() === "loopback";
}

/** Whether `text` is a host name (RFC 1123) or an address literal that a probe can measure. */
export function isHost(text: string): boolean {
  if (literalFamily(text) !== undefined) return true;
  return isTargetHost(text) && text.split(".").every((label) => LABEL.test(label));
}

/** Whether `text` is a wildcard domain: `*.` and a host name of two labels or more. */
export function isWildcard(text: string): boolean {
  const domain = text.slice(2);
  return text.startsWith("*.") && domain.includes(".") && isHost(domain) && literalFamily(domain) === undefined;
}

/** A host as it is looked up and dialled: in punycode (RFC 3492) where it is not ASCII, and without its final dot. */
function dialledHost(text: string): string {
  const ascii = /^[\x20-\x7e]*$/.test(text) ? text : domainToASCII(text);
  return ascii.replace(/\.$/, "");
}

/**
 * Reads `host:port` or `[v6]:port`; undefined if it is neither. `secure` is false, because the text names no protocol.
 */
export function readHostPort(text: string): Endpoint | undefined {
  const parts = /^(?:\[([0-9a-f:.]+(?:%[^\]]+)?)\]|([^:[\]/@?#]+)):(\d{1,5})$/i.exec(text);
  if (parts === null) return undefined;
  const host = parts[1] ?? dialledHost(parts[2] ?? "");
  const port = Number(parts[3]);
  const literalMatches = parts[1] === undefined || literalFamily(host) === 6;
  return isHost(host) && literalMatches && isPort(port) ? { host, port, secure: false } : undefined;
}

/** `host:port`, equal for two spellings of one endpoint: lower case, no final dot, canonical addresses. */
export function endpointText({ host, port }: Pick<Endpoint, "host" | "port">): string {
  return endpointName(canonicalAddress(host) ?? host.toLowerCase().replace(/\.$/, ""), port);
}

/**
 * A Machine API as a node reports it: `https://host:port` for TLS, `grpc://host:port` for cleartext. Undefined for
 * anything else.
 */
export function readMachineApi(text: string): Endpoint | undefined {
  const [, scheme, rest = ""] = /^(https|grpc):\/\/(.+)$/.exec(text) ?? [];
  const endpoint = readHostPort(rest);
  return endpoint && { ...endpoint, secure: scheme === "https" };
}

/** Whether `port` is an integer from 1 to 65535. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= PORT_MIN && port <= PORT_MAX;
}

/**
 * Default ports of URL schemes. https and http: RFC 9110 §4.2. grpc: Talos passes the host on unchanged (talos
 * internal/pkg/endpoint/endpoint.go), and grpc-go defaults to 443 (internal/resolver/dns, defaultPort).
 */
const SCHEMES: Readonly<Record<string, { readonly secure: boolean; readonly port: number }>> = {
  "https:": { secure: true, port: 443 },
  "http:": { secure: false, port: 80 },
  "grpc:": { secure: false, port: 443 },
};

/** An endpoint that was read, or why it was refused, such as `it has a path`. */
export type EndpointReading =
  | { readonly kind: "endpoint"; readonly endpoint: Endpoint }
  | { readonly kind: "refused"; readonly why: string };

const refused = (why: string): EndpointReading => ({ kind: "refused", why });

/**
 * Reads a URL of only scheme, host and optional port. Refuses a path other than `/`, a query, a fragment and
 * credentials, so that a URL with a join token is never accepted (S1). The reason repeats nothing of the text.
 *
 * @param schemes accepted schemes, each with its colon.
 */
export function readEndpointUrl(text: string, schemes: readonly string[]): EndpointReading {
  const [, written = "", rest = ""] = /^([a-z][a-z\d+.-]*:)\/\/(.*)$/is.exec(text) ?? [];
  const scheme = SCHEMES[written.toLowerCase()];
  const names = schemes.map((name) => name.slice(0, -1)).join(" or ");
  if (written === "") return refused(`it has no scheme; write ${schemes[0]}//`);
  if (scheme === undefined || !schemes.includes(written.toLowerCase())) return refused(`its scheme is not ${names}`);
  // The host of a scheme that browsers know is read as they do: punycode, and literals in their short form.
  const url = URL.parse(`${scheme.port === 80 ? "http" : "https"}://${rest}`);
  if (text.includes("?")) return refused("it has a query");
  if (text.includes("#")) return refused("it has a fragment");
  if (text.includes(",")) return refused("it is a list, and one URL is expected");
  if (url === null) return refused(hasBadPort(rest) ? PORT_REFUSED : HOST_REFUSED);
  if (url.username !== "" || url.password !== "") return refused("it has credentials");
  if (url.pathname !== "/") return refused("it has a path");
  const host = dialledHost(url.hostname.replace(/^\[|\]$/g, ""));
  if (!isHost(host)) return refused(HOST_REFUSED);
  const port = url.port === "" ? scheme.port : Number(url.port);
  return isPort(port) ? { kind: "endpoint", endpoint: { host, port, secure: scheme.secure } } : refused(PORT_REFUSED);
}

const HOST_REFUSED = "its host is neither a host name nor an address, IPv6 in brackets";
const PORT_REFUSED = `its port is not a number from ${PORT_MIN} to ${PORT_MAX}`;

/** Whether what follows the host is a colon and no port. */
function hasBadPort(rest: string): boolean {
  const port = /^(?:\[[^\]]*\]|[^:/]*):([^/]*)/.exec(rest)?.[1] ?? "";
  return port !== "" && !(/^\d+$/.test(port) && isPort(Number(port)));
}

/** A registry mirror as Talos and containerd read its URL. */
export interface MirrorEndpoint extends Endpoint {
  /** The path of the URL without a slash at its end; empty: none. */
  readonly path: string;
}

/**
 * Reads the URL of a mirror. Without a scheme it is https, as containerd takes it
 * (core/remotes/docker/config/hosts.go). Undefined for a query, a fragment or credentials.
 */
export function readMirrorUrl(text: string): MirrorEndpoint | undefined {
  const [, scheme = "https://", authority = "", rest = ""] = /^([a-z]+:\/\/)?([^/?#]*)(.*)$/is.exec(text) ?? [];
  const read = readEndpointUrl(`${scheme}${authority}`, ["https:", "http:"]);
  const path = rest.replace(/\/+$/, "");
  if (read.kind === "refused" || (path !== "" && !isRegistryPath(path))) return undefined;
  return { ...read.endpoint, path };
}

/** Ports of proxies whose URL names none: those of Go's net/http (transport.go, portMap). */
const PROXY_PORTS: Readonly<Record<ProxyScheme, number>> = { http: 80, https: 443, socks5: 1080, socks5h: 1080 };

/** Reads a proxy's URL of only scheme, host and optional port. Undefined for any other text: credentials too (S1). */
export function readProxyUrl(text: string): ProxyEndpoint | undefined {
  const url = URL.parse(text);
  const scheme = PROXY_SCHEMES.find((one) => url?.protocol === `${one}:`);
  if (url === null || scheme === undefined || text.includes("?") || text.includes("#")) return undefined;
  if (url.username !== "" || url.password !== "" || !["", "/"].includes(url.pathname)) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? PROXY_PORTS[scheme] : Number(url.port);
  return isHost(host) && isPort(port) ? { ...(scheme === "http" ? {} : { scheme }), host, port } : undefined;
}

/** Omni's address in the tunnel: the first of the node's own /64. Undefined if `prefix` is not a /64. */
export function firstOfPrefix(prefix: string): string | undefined {
  const groups = prefix.replace(/\/64$/, "").replace(/::$/, "").split(":");
  const isPrefix = groups.length === 4 && groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group));
  return isPrefix ? `${groups.join(":").toLowerCase()}::1` : undefined;
}
