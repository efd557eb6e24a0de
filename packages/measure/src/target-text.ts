/**
 * What the texts of a target may hold, so that a probe can use them. The writer and the reader of a plan apply the same
 * rules. A text that breaks them would fail at every attempt and look like a fault of the network or the peer.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { IpFamily } from "./target.ts";

/** How errors describe a valid text. The functions below check it. */
export const TARGET_TEXT_WANTED = {
  host: "an address literal (a zone for a link-local one alone, fe80::1%eth0), or a host name of at most 253 letters, digits, dots, hyphens and underscores (other characters as punycode, xn--)",
  dnsName: "a name of at most 253 printable ASCII characters, with labels of 1 to 63",
  requestPath:
    "a path that begins with /, with or without query (RFC 3986): no spaces, no #, non-ASCII characters as %XX",
  grpcMethod: "the path of a gRPC method, such as /package.Service/Method",
  registryPath: "a path that begins with /, without query and without / at the end",
  registryObject:
    "an image such as siderolabs/kubelet/manifests/v1.34.0: repository, then manifests or blobs, then a tag or digest",
  hostPattern: "a host name, or a wildcard domain such as *.example.com",
  alpnName: "an ALPN name of 1 to 255 printable ASCII characters, such as h2",
  certificates: "PEM certificates, each of which can be read",
} as const;

/** Longest name in characters, without the root's dot (RFC 1035 §2.3.4). */
const NAME_MAX_LENGTH = 253;

/** A label of a DNS query: 1–63 printable ASCII characters (RFC 1035 §2.3.4). */
const LABEL = /^[\x21-\x7e]{1,63}$/;

/** Characters of host names (RFC 1123 §2.1), and underscores, which resolvers and certificates accept. */
const HOST_NAME = /^[\w.-]+$/;

/** A path and a query (RFC 3986 §3.3, §3.4) as a request line holds them (RFC 9112 §3.2.1). */
const REQUEST_PATH = /^\/(?:[\w.~!$&'()*+,;=:@/?-]|%[\da-f]{2})*$/i;

/** `/` service `/` method (gRPC over HTTP/2, "Path"), both of the characters of protobuf names. */
const GRPC_METHOD = /^\/[\w.]{1,200}\/\w{1,100}$/;

/** Name and reference of the OCI distribution specification, with the kind of object between them. */
const REGISTRY_OBJECT = /^[a-z0-9][a-z0-9._/-]{0,200}\/(manifests|blobs)\/[\w][\w.:-]{0,127}$/;

/** 1–255 bytes (RFC 7301 §3.1). Node compares names as text, which is correct only for ASCII. */
const ALPN_NAME = /^[\x21-\x7e]{1,255}$/;

const CERTIFICATE = /-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/g;

/** A link-local address with the name or number of its interface (RFC 4007 §11). Linux: IFNAMSIZ is 16. */
const ZONED = /^fe[89ab][\da-f]:[\da-f:.]*%[\w.@-]{1,15}$/i;

/**
 * The family of an address literal, or undefined for a host name. IPv4-mapped IPv6 counts as IPv6. Text with brackets
 * is not a literal, nor is one with a zone unless the address is link-local. Node's own parser decides, because Node
 * looks up every host that it does not parse as a literal.
 */
export function literalFamily(host: string): IpFamily | undefined {
  if (host.includes("%") && !ZONED.test(host)) return undefined;
  const family = isIP(host);
  return family === 4 || family === 6 ? family : undefined;
}

/** Whether a DNS query can ask for `name`, with or without the root's dot. */
export function isDnsName(name: string): boolean {
  const rootless = name.replace(/\.$/, "");
  return rootless.length <= NAME_MAX_LENGTH && rootless.split(".").every((label) => LABEL.test(label));
}

/**
 * Whether `host` can be the host of a target or a proxy: it can be looked up or dialled, and a URL keeps it as it is.
 */
export function isTargetHost(host: string): boolean {
  if (literalFamily(host) !== undefined) return true;
  // A URL parses 1.2.3 and 0x7f as IPv4 addresses, and rejects omni.1 (WHATWG URL, host parser).
  return HOST_NAME.test(host) && isDnsName(host) && URL.parse(`http://${host}`)?.hostname === host.toLowerCase();
}

/** Whether a request line can hold `path`. The caller bounds its length. */
export function isRequestPath(path: string): boolean {
  return REQUEST_PATH.test(path);
}

/** Whether `path` is that of a gRPC method. */
export function isGrpcMethod(path: string): boolean {
  return GRPC_METHOD.test(path);
}

/** Whether `path` can be the base path of a registry's API. */
export function isRegistryPath(path: string): boolean {
  return isRequestPath(path) && !path.endsWith("/") && !path.includes("?");
}

/** Whether `object` names an image (OCI distribution specification, name and reference). */
export function isRegistryObject(object: string): boolean {
  return REGISTRY_OBJECT.test(object);
}

/** Whether `pattern` is a host name or a wildcard domain. */
export function isHostPattern(pattern: string): boolean {
  return isTargetHost(pattern.startsWith("*.") ? pattern.slice(2) : pattern);
}

/** Whether ALPN can offer `name`. */
export function isAlpnName(name: string): boolean {
  return ALPN_NAME.test(name);
}

/** The certificates in a PEM text, unchanged and in order; empty if there is none. */
export function certificatesOf(pem: string): readonly string[] {
  return pem.match(CERTIFICATE) ?? [];
}

/**
 * Whether a PEM text holds at least one certificate and every one in it is usable: Node can read it, and its key is not
 * on a curve without a NIST name (brainpool). OpenSSL skips certificates that it cannot read, and then trusts none.
 */
export function isCertificatesPem(pem: string): boolean {
  const blocks = certificatesOf(pem);
  return blocks.length > 0 && blocks.every(isReadable);
}

/** OpenSSL's names of the curves that have a NIST name (FIPS 186-4, appendix D.1.2). */
const NIST_CURVES: readonly string[] = ["prime192v1", "secp224r1", "prime256v1", "secp384r1", "secp521r1"];

/**
 * Node crashes when TLS trusts a key on a curve without a NIST name (memory fault in getPeerCertificate, Node 24.21).
 */
function isReadable(block: string): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = new X509Certificate(block).publicKey;
    return asymmetricKeyType !== "ec" || NIST_CURVES.includes(asymmetricKeyDetails?.namedCurve ?? "");
  } catch {
    return false;
  }
}
