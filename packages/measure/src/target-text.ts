/**
 * What the texts of a target may hold, so that a probe can use them: one rule for whoever writes a plan and whoever reads one. What
 * breaks it would fail at each attempt, and look like a fault of the network or of the peer.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { IpFamily } from "./target.ts";

/** What errors say a text must be; see the function of each. */
export const TARGET_TEXT_WANTED = {
  host: "an address literal without zone, or a host name of at most 253 letters, digits, dots, hyphens and underscores, others in punycode (xn--)",
  dnsName: "a name of at most 253 printable ASCII characters, with labels of 1 to 63",
  requestPath: "an absolute path with or without query (RFC 3986), / first: no spaces, no #, others than ASCII as %XX",
  alpnName: "an ALPN name of 1 to 255 printable ASCII characters, such as h2",
  certificates: "PEM certificates, each of which can be read",
} as const;

/** Longest name in characters, without the root's dot (RFC 1035 §2.3.4). */
const NAME_MAX_LENGTH = 253;

/** A label as it can be asked for: 1–63 printable ASCII characters (RFC 1035 §2.3.4). */
const LABEL = /^[\x21-\x7e]{1,63}$/;

/** What hosts are named with (RFC 1123 §2.1), and underscores, which resolvers and certificates take. */
const HOST_NAME = /^[\w.-]+$/;

/** A path and a query of RFC 3986 §3.3 and §3.4, as a request line has them (RFC 9112 §3.2.1). */
const REQUEST_PATH = /^\/(?:[\w.~!$&'()*+,;=:@/?-]|%[\da-f]{2})*$/i;

/** Two bytes to 256 in a ClientHello (RFC 7301 §3.1). Node compares names as text, which is right for ASCII alone. */
const ALPN_NAME = /^[\x21-\x7e]{1,255}$/;

const CERTIFICATE = /-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/g;

/**
 * The family of an address literal, or undefined for a host name. IPv4-mapped IPv6 counts as IPv6; brackets and zones make no literal.
 * Node's own reading decides: what it takes for no literal when it connects, it would look up.
 */
export function literalFamily(host: string): IpFamily | undefined {
  if (host.includes("%")) return undefined;
  const family = isIP(host);
  return family === 4 || family === 6 ? family : undefined;
}

/** Whether a resolver can be asked for `name`, with or without the root's dot. */
export function isDnsName(name: string): boolean {
  const rootless = name.replace(/\.$/, "");
  return rootless.length <= NAME_MAX_LENGTH && rootless.split(".").every((label) => LABEL.test(label));
}

/** Whether `host` can be a target's or a proxy's: it can be looked up or dialled, and stands in a URL as it is. */
export function isTargetHost(host: string): boolean {
  if (literalFamily(host) !== undefined) return true;
  // A URL takes 1.2.3 and 0x7f for IPv4 addresses, and refuses omni.1 (WHATWG URL, host parser).
  return HOST_NAME.test(host) && isDnsName(host) && URL.parse(`http://${host}`)?.hostname === host.toLowerCase();
}

/** Whether `path` can stand in a request line. Its length is the caller's to bound. */
export function isRequestPath(path: string): boolean {
  return REQUEST_PATH.test(path);
}

/** Whether `name` can be offered by ALPN. */
export function isAlpnName(name: string): boolean {
  return ALPN_NAME.test(name);
}

/** The certificates in a PEM text, each as it stands there; none where there is none. */
export function certificatesOf(pem: string): readonly string[] {
  return pem.match(CERTIFICATE) ?? [];
}

/** Whether a PEM text holds a certificate, and none that cannot be read, or whose key is on a curve without a name of NIST's (brainpool). OpenSSL skips what it cannot read, and would trust nobody. */
export function isCertificatesPem(pem: string): boolean {
  const blocks = certificatesOf(pem);
  return blocks.length > 0 && blocks.every(isReadable);
}

/** OpenSSL's names of the curves that NIST has a name for (FIPS 186-4, appendix D.1.2). */
const NIST_CURVES: readonly string[] = ["prime192v1", "secp224r1", "prime256v1", "secp384r1", "secp521r1"];

/** A key on a curve without a name of NIST's ends a process whose TLS trusts it, by a memory fault (Node 24.21, getPeerCertificate). */
function isReadable(block: string): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = new X509Certificate(block).publicKey;
    return asymmetricKeyType !== "ec" || NIST_CURVES.includes(asymmetricKeyDetails?.namedCurve ?? "");
  } catch {
    return false;
  }
}
