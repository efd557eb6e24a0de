/** A node's facts as a collector takes them: what would be dropped over there is not sent. */
import { isIP } from "node:net";

/** Longest host name, characters (RFC 1035 §2.3.4). */
const HOST_MAX_LENGTH = 253;

/** One label of a host name (RFC 1123 §2.1): letters, digits and inner hyphens, at most 63. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** The port of a resolver that goes without saying (RFC 1035 §4.2). */
const DNS_PORT = "53";

/** `text` cut to `maxLength`, and a question mark for each character that is no printable ASCII. */
export function printableAscii(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, "?");
}

/**
 * The bare address of a resolver written as `address`, `address:port` or `[v6]:port`. Undefined for what an address alone does
 * not say: another port than 53 (a probe of port 53 there would blame the wrong service), a zone, a name.
 */
export function resolverAddress(written: string): string | undefined {
  if (written.includes("%")) return undefined;
  if (isIP(written) !== 0) return written;
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d+)$/.exec(written) ?? [];
  const address = v6 ?? v4 ?? "";
  return port === DNS_PORT && isIP(address) === (v6 === undefined ? 4 : 6) ? address : undefined;
}

/**
 * `scheme://host` or `scheme://host:port` of a URL, and nothing else of it (S1). Undefined for what no Machine API is dialled
 * by: a scheme other than https and grpc, or a host that is neither a host name nor an address literal.
 */
export function endpointOfUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !["https:", "grpc:"].includes(url.protocol)) return undefined;
  const { protocol, hostname, host, port } = url;
  return isHost(hostname) && port !== "0" ? `${protocol}//${host}` : undefined;
}

function isHost(hostname: string): boolean {
  const literal = /^\[(.*)\]$/.exec(hostname)?.[1];
  if (literal !== undefined) return isIP(literal) === 6 && !literal.includes("%");
  if (isIP(hostname) === 4) return true;
  if (hostname.length > HOST_MAX_LENGTH || /^[\d.]*$/.test(hostname)) return false;
  return hostname.split(".").every((label) => LABEL.test(label));
}
