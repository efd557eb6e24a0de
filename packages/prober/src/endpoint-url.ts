/** The endpoint of a Machine API's URL, and nothing else of the URL. */
import { isIP } from "node:net";

/** Longest host name, characters (RFC 1035 §2.3.4). */
const HOST_MAX_LENGTH = 253;

/** One label of a host name (RFC 1123 §2.1): letters, digits and inner hyphens, at most 63. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/**
 * `scheme://host` or `scheme://host:port` of a URL, and nothing else of it (S1). Undefined for a URL that Talos cannot
 * dial: a scheme other than https and grpc, or a host that is neither a host name nor an address literal.
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
