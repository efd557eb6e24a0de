/** The endpoint of a Machine API's URL, read as Talos reads it, and nothing else of the URL. */
import { isTargetHost, literalFamily } from "@lifeline/measure";

/** The endpoint, or why Talos could not dial it. Neither repeats any text but scheme, host and port (S1). */
export type MachineApiUrl =
  | { readonly kind: "endpoint"; readonly url: string }
  | { readonly kind: "unreadable"; readonly why: string };

/**
 * Talos takes `grpc` where there is no scheme, and dials TLS for every scheme but that (talos
 * internal/pkg/endpoint/endpoint.go, Parse).
 */
const CLEARTEXT = "grpc";

/** Where the URL names no port: Talos's for https, and grpc-go's for any other (internal/resolver/dns, defaultPort). */
const DEFAULT_PORT = 443;

/** Scheme and authority (RFC 3986 §3.1, §3.2). */
const AUTHORITY = /^(?:([a-z][a-z\d+.-]*):\/\/)?([^/?#]*)/i;

/** Host and port after the user's part; IPv6 in brackets (RFC 3986 §3.2.2). */
const HOST_AND_PORT = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/;

/** `https://host:port` for TLS, `grpc://host:port` for cleartext. The host has no final dot, as in certificates. */
export function machineApiUrl(text: string): MachineApiUrl {
  const [, scheme = CLEARTEXT, authority = ""] = AUTHORITY.exec(text) ?? [];
  const parts = HOST_AND_PORT.exec(authority.slice(authority.lastIndexOf("@") + 1));
  if (parts === null) return unreadable("it is not a URL of host and port, IPv6 in brackets");
  const [, bracketed, plain = "", written = ""] = parts;
  // A zone's percent sign is escaped in a URL (RFC 6874).
  const host = (bracketed?.replace("%25", "%") ?? plain.replace(/\.$/, "")).toLowerCase();
  const port = written === "" ? DEFAULT_PORT : Number(/^\d{1,5}$/.test(written) ? written : 0);
  if (port < 1 || port > 65_535) return unreadable("its port is not a number from 1 to 65535");
  if (!/^[\x21-\x7e]*$/.test(host)) return unreadable("its host is not ASCII; Talos needs it as punycode, xn--");
  if (!isTargetHost(host) || (literalFamily(host) === 6) !== (bracketed !== undefined)) {
    return unreadable("its host is neither a host name nor an address, IPv6 in brackets");
  }
  const protocol = scheme.toLowerCase() === CLEARTEXT ? "grpc" : "https";
  return { kind: "endpoint", url: `${protocol}://${bracketed === undefined ? host : `[${host}]`}:${port}` };
}

function unreadable(why: string): MachineApiUrl {
  return { kind: "unreadable", why };
}
