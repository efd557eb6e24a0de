/**
 * Trusted CAs as secure contexts, and the judgement of certificate chains.
 *
 * 1. The chain is captured whether or not it is trusted: it is the evidence of an interception.
 * 2. Faults are found by OpenSSL's and Node's codes, never by messages.
 * 3. A chain that OpenSSL cannot follow is *incomplete* only when the server's own certificate shows that; see
 *    {@link lacksIntermediate}. Every other chain that does not end at a trusted CA is untrusted.
 * 4. At most {@link CONTEXTS_MAX} contexts are cached, because making one parses every root. The least recently used is
 *    evicted.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
  checkServerIdentity,
  createSecureContext,
  type DetailedPeerCertificate,
  getCACertificates,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { type ChainCertificate, certificatesOf, type Reason, RecentMap, type Trust } from "@lifeline/measure";
import { CertificateChains, type ShownCertificate, TrustAnchors } from "./certificate-chain.ts";
import { codeOf } from "./errno.ts";

/**
 * Most contexts that are cached: one for the public roots and one for each private CA; a deployment has a handful.
 */
const CONTEXTS_MAX = 32;

/** A context, or the code of why the CA's PEM cannot be read. */
export type ContextFound =
  | { readonly kind: "context"; readonly context: SecureContext }
  | { readonly kind: "unreadable"; readonly code: string };

/** Secure contexts by trust. */
export interface TrustStore {
  /** The context for `trust`. Never throws. */
  contextFor(trust: Trust): ContextFound;
  /**
   * Whether a CA with this name (as Node prints it) is trusted. Never throws.
   */
  names(trust: Trust, subject: string): boolean;
  /** A chain as evidence. A chain is read once, and then found by the SHA-256 of its certificates. */
  describe(trust: Trust, leaf: ShownCertificate | undefined): readonly ChainCertificate[];
}

/** What is kept of one trust. */
interface Trusted {
  readonly found: ContextFound;
  readonly anchors: TrustAnchors;
  readonly chains: CertificateChains;
}

/** Creates a store whose public trust is `publicRoots`, or Node's default roots with NODE_EXTRA_CA_CERTS. */
export function createTrustStore(publicRoots?: readonly string[]): TrustStore {
  const known = new RecentMap<Trusted>(CONTEXTS_MAX);
  const trustedBy = (trust: Trust) => {
    const key = JSON.stringify(trust);
    const trusted = known.get(key) ?? openTrust(trust, publicRoots);
    known.set(key, trusted);
    return trusted;
  };
  return {
    contextFor: (trust) => trustedBy(trust).found,
    names: (trust, subject) => trustedBy(trust).anchors.named(subject).length > 0,
    describe: (trust, leaf) => trustedBy(trust).chains.describe(leaf),
  };
}

function openTrust(trust: Trust, publicRoots: readonly string[] | undefined): Trusted {
  const anchors = new TrustAnchors(() => caPemsOf(trust, publicRoots) ?? getCACertificates("default"));
  return {
    found: createContext(caPemsOf(trust, publicRoots)),
    anchors,
    chains: new CertificateChains(anchors),
  };
}

/** The PEM texts of the CAs; undefined: Node's default roots. */
function caPemsOf(trust: Trust, publicRoots: readonly string[] | undefined): readonly string[] | undefined {
  const added = trust.addedCaPem === undefined ? [] : [trust.addedCaPem];
  const hostRoots = () => publicRoots ?? getCACertificates("default");
  if (trust.kind === "public") return added.length === 0 ? publicRoots : [...hostRoots(), ...added];
  const { hostCaSha256 = [] } = trust;
  const held = hostCaSha256.length === 0 ? [] : hostRoots().flatMap(certificatesOf).filter(isOneOf(hostCaSha256));
  return [trust.caPem, ...added, ...held];
}

/** Whether a certificate is one of those, by SHA-256. One that cannot be read is not. */
function isOneOf(hashes: readonly string[]): (pem: string) => boolean {
  return (pem) => {
    try {
      return hashes.includes(new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase());
    } catch {
      return false;
    }
  };
}

function createContext(ca: readonly string[] | undefined): ContextFound {
  try {
    for (const pem of ca ?? []) readEvery(pem);
    const options = {
      // Every published endpoint has TLS 1.2 or above (RFC 9325 §3.1.1).
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      // Talos trusts every certificate that it is given as a CA, an intermediate too (Go, crypto/x509 CertPool).
      allowPartialTrustChain: true,
    } as const;
    return { kind: "context", context: createSecureContext(ca === undefined ? options : { ...options, ca: [...ca] }) };
  } catch (error) {
    return { kind: "unreadable", code: codeOf(error) };
  }
}

/**
 * Throws unless there is a certificate and each can be read: Node skips what it cannot read, and would then trust no
 * peer.
 */
function readEvery(pem: string): void {
  const blocks = certificatesOf(pem);
  for (const block of blocks.length === 0 ? [""] : blocks) new X509Certificate(block);
}

/** OpenSSL's verification codes (`X509_V_ERR_*`, as Node names them) that concern time. All others concern trust. */
const TIME_CODES: Readonly<Record<string, Reason>> = {
  CERT_NOT_YET_VALID: "tls-not-yet-valid",
  CERT_HAS_EXPIRED: "tls-expired",
};

/** OpenSSL's verification codes for a chain whose next certificate was not found (`X509_V_ERR_*`). */
const ISSUER_CODES: readonly string[] = [
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_GET_ISSUER_CERT",
];

/** The chain that a peer showed, and what is wrong with it. */
export interface PeerJudgement {
  /** Leaf first, each issued by the next, up to a trusted CA where there is one. */
  readonly chain: readonly ChainCertificate[];
  /** Undefined when the chain is trusted and the name matches. */
  readonly fault: { readonly reason: Reason; readonly code: string } | undefined;
}

/** What a certificate is judged by. */
export interface PeerOptions {
  /** The host that the certificate must be for. */
  readonly host: string;
  readonly trust: Trust;
}

/**
 * Captures and judges the certificate of a peer whose handshake is complete. `shown` is the chain if Node has read it
 * already: reading it is the most expensive part of an attempt after the handshake itself.
 */
export function judgePeer(
  socket: TLSSocket,
  options: PeerOptions,
  store: TrustStore,
  shown?: PeerCertificate,
): PeerJudgement {
  if (shown !== undefined && isDetailed(shown)) return judged(socket, shown, options, store);
  // getPeerCertificate reads NIST's name of a key's curve. A curve without one (brainpoolP256r1, secp256k1) ends the
  // process by a memory fault (Node 24.21), so a measured peer could end the agent. Node has read a trusted chain with
  // it already, so that is safe.
  const leaf = socket.authorized ? socket.getPeerCertificate(true) : socket.getPeerX509Certificate();
  return judged(socket, leaf, options, store);
}

function judged(
  socket: TLSSocket,
  leaf: ShownCertificate | undefined,
  options: PeerOptions,
  store: TrustStore,
): PeerJudgement {
  return { chain: store.describe(options.trust, leaf), fault: faultOf(socket, leaf, options, store) };
}

function isDetailed(certificate: PeerCertificate): certificate is DetailedPeerCertificate {
  return "issuerCertificate" in certificate && certificate.issuerCertificate !== undefined;
}

function faultOf(
  socket: TLSSocket,
  leaf: ShownCertificate | undefined,
  { host, trust }: PeerOptions,
  store: TrustStore,
): PeerJudgement["fault"] {
  const chainCode = authorizationCode(socket);
  if (chainCode !== undefined) {
    const isIncomplete = ISSUER_CODES.includes(chainCode) && lacksIntermediate(leaf, trust, store);
    const reason = TIME_CODES[chainCode] ?? (isIncomplete ? "tls-incomplete-chain" : "tls-untrusted");
    return { reason, code: chainCode };
  }
  // The leaf of a trusted chain is from getPeerCertificate (judgePeer), as checkServerIdentity requires.
  const mismatch = checkServerIdentity(host.replace(/\.$/, ""), leaf as DetailedPeerCertificate);
  return mismatch === undefined ? undefined : { reason: "tls-name-mismatch", code: codeOf(mismatch) };
}

/**
 * Whether a chain that cannot be followed lacks an intermediate certificate, and does not end at an unknown CA.
 *
 * The two look alike. Neither shows the issuer, and fetching it would be another attempt at another host (M1). A chain
 * is incomplete when all three are true:
 *
 * - The server showed its own certificate alone.
 * - The certificate has a URL of its issuer (authority information access, RFC 5280 §4.2.2.1). Every public CA
 *   writes one into what its intermediates issue (CA/Browser Forum Baseline Requirements §7.1.2.7.7).
 * - The issuer's name is not that of a trusted CA. If it were, the key would be another one: a forgery, or a
 *   successor.
 *
 * The rule calls two kinds of incomplete chain untrusted: one of a private CA that writes no such URL, and one
 * that shows one intermediate and lacks a second, which looks like a chain whose root was rightly left out. It calls
 * one kind of untrusted chain incomplete: a certificate that an unknown root itself issued, with the root's URL in it.
 * No interception product is known to write one. The chain is kept as evidence in any case, so a judge that knows the
 * fleet's issuer can overrule this.
 */
function lacksIntermediate(leaf: ShownCertificate | undefined, trust: Trust, store: TrustStore): boolean {
  if (leaf?.raw === undefined || leaf.issuerCertificate !== undefined) return false;
  const { issuer, subject, infoAccess } = new X509Certificate(leaf.raw);
  const namesIssuerUrl = /^CA Issuers - URI:/m.test(infoAccess ?? "");
  return issuer !== subject && namesIssuerUrl && !store.names(trust, issuer);
}

/** Node puts OpenSSL's code here as a string (lib/_tls_wrap.js), though its types say Error. */
function authorizationCode(socket: TLSSocket): string | undefined {
  if (socket.authorized) return undefined;
  const code: unknown = socket.authorizationError;
  return typeof code === "string" ? code : "UNKNOWN";
}

/** The server name to send, without the final dot; empty for an address literal (RFC 6066 §3). */
export function serverNameOf(host: string): string {
  return isIP(host) === 0 ? host.replace(/\.$/, "") : "";
}
