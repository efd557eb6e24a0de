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
import { createHash, X509Certificate } from "node:crypto";
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
import { type ChainCertificate, certificatesOf, type Reason, type Trust } from "@lifeline/measure";
import { codeOf } from "./errno.ts";
import { boundedText } from "./probe-result.ts";

/**
 * Most contexts that are cached: one for the public roots and one for each private CA; a deployment has a handful.
 */
const CONTEXTS_MAX = 32;

/** Most certificates of a chain that are kept. */
const CHAIN_MAX = 8;

/** Most descriptions that are cached: chains of three for all 64 endpoints of a large plan, and their successors. */
const DESCRIPTIONS_MAX = 256;

/** A context, or the code of why the CA's PEM cannot be read. */
export type ContextFound =
  | { readonly kind: "context"; readonly context: SecureContext }
  | { readonly kind: "unreadable"; readonly code: string };

/** Secure contexts by trust. */
export interface TrustStore {
  /** The context for `trust`. Never throws. */
  contextFor(trust: Trust): ContextFound;
  /**
   * Whether a CA with this name (as Node prints it) is trusted. Reads every certificate, so use it for failures only.
   * Never throws.
   */
  names(trust: Trust, subject: string): boolean;
  /** A chain as evidence. A certificate is read once, and then found by its SHA-256. */
  describe(leaf: ShownCertificate | undefined): readonly ChainCertificate[];
}

/** Creates a store whose public trust is `publicRoots`, or Node's default roots with NODE_EXTRA_CA_CERTS. */
export function createTrustStore(publicRoots?: readonly string[]): TrustStore {
  const found = new Map<string, ContextFound>();
  const descriptions = createDescriptions();
  return {
    describe: (leaf) => chainOf(leaf, descriptions),
    contextFor(trust) {
      const key = trust.kind === "public" ? "public" : createHash("sha256").update(trust.caPem).digest("hex");
      const context = found.get(key) ?? createContext(trust.kind === "public" ? publicRoots : [trust.caPem]);
      found.delete(key);
      const [oldest] = found.keys();
      if (found.size >= CONTEXTS_MAX && oldest !== undefined) found.delete(oldest);
      found.set(key, context);
      return context;
    },
    names(trust, subject) {
      const caPems = trust.kind === "private" ? [trust.caPem] : (publicRoots ?? getCACertificates("default"));
      return caPems.some((pem) => certificatesOf(pem).some((block) => isNamed(block, subject)));
    },
  };
}

function isNamed(pem: string, subject: string): boolean {
  try {
    return new X509Certificate(pem).subject === subject;
  } catch {
    // A certificate that cannot be read has no name. contextFor reports it.
    return false;
  }
}

function createContext(ca: readonly string[] | undefined): ContextFound {
  try {
    for (const pem of ca ?? []) readEvery(pem);
    // Every published endpoint has TLS 1.2 or above (RFC 9325 §3.1.1).
    const versions = { minVersion: "TLSv1.2", maxVersion: "TLSv1.3" } as const;
    return {
      kind: "context",
      context: createSecureContext(ca === undefined ? versions : { ...versions, ca: [...ca] }),
    };
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
  /** Leaf first, completed from the trusted roots where OpenSSL could; at most {@link CHAIN_MAX}. */
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
  return { chain: store.describe(leaf), fault: faultOf(socket, leaf, options, store) };
}

/** The part of a certificate that both of Node's readers return. */
export interface ShownCertificate {
  readonly raw: Buffer;
  readonly fingerprint256: string;
  /** Undefined: none was shown. That of a root is the root itself, or none. */
  readonly issuerCertificate?: ShownCertificate | undefined;
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

function chainOf(
  leaf: ShownCertificate | undefined,
  describe: (shown: ShownCertificate) => ChainCertificate,
): readonly ChainCertificate[] {
  const chain: ChainCertificate[] = [];
  let shown = leaf;
  // A root is its own issuer. For a peer without a certificate Node returns an empty object.
  while (shown?.raw !== undefined && chain.length < CHAIN_MAX) {
    chain.push(describe(shown));
    const { issuerCertificate: issuer } = shown;
    shown = issuer?.fingerprint256 === shown.fingerprint256 ? undefined : issuer;
  }
  return chain;
}

/** Describes certificates, and caches at most {@link DESCRIPTIONS_MAX} by SHA-256. The oldest is evicted. */
function createDescriptions(): (shown: ShownCertificate) => ChainCertificate {
  const known = new Map<string, ChainCertificate>();
  return (shown) => {
    const { fingerprint256 } = shown;
    const found = known.get(fingerprint256);
    if (found !== undefined) return found;
    const described = describeCertificate(shown.raw);
    const [oldest] = known.keys();
    if (known.size >= DESCRIPTIONS_MAX && oldest !== undefined) known.delete(oldest);
    known.set(fingerprint256, described);
    return described;
  };
}

function describeCertificate(der: Buffer): ChainCertificate {
  const certificate = new X509Certificate(der);
  return {
    subject: boundedText(nameText(certificate.subject)),
    issuer: boundedText(nameText(certificate.issuer)),
    notAfter: certificate.validToDate.toISOString(),
    sha256: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}

/** Node prints one attribute a line (`C=US\nO=…`), and evidence is one line. A name may be absent. */
function nameText(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}

/** The server name to send, without the final dot; empty for an address literal (RFC 6066 §3). */
export function serverNameOf(host: string): string {
  return isIP(host) === 0 ? host.replace(/\.$/, "") : "";
}
