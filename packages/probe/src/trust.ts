/**
 * Which authorities count, as secure contexts; and what a certificate chain is worth.
 *
 * 1. The chain is captured whether or not it is trusted: an intercepted connection is worth its evidence.
 * 2. Verdicts come from OpenSSL's and Node's codes, never from messages.
 * 3. A chain that OpenSSL cannot follow is *incomplete* only when the server's own certificate says so; see
 *    {@link lacksIntermediate}. All else that does not end at a trusted authority is untrusted.
 * 4. Contexts are cached, at most {@link CONTEXTS_MAX}, for making one parses every root; the least recently used goes first.
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

/** Contexts kept: one for the public roots and one for each private authority; a deployment has a handful. */
export const CONTEXTS_MAX = 32;

/** Certificates kept of a chain. */
export const CHAIN_MAX = 8;

/** Certificates whose description is remembered: chains of three of all 64 endpoints of a large plan, and their successors. */
const DESCRIPTIONS_MAX = 256;

/** A context, or the code of why the authority's PEM cannot be read. */
export type ContextFound =
  | { readonly kind: "context"; readonly context: SecureContext }
  | { readonly kind: "unreadable"; readonly code: string };

/** Secure contexts by trust. */
export interface TrustStore {
  /** The context for `trust`. Never throws. */
  contextFor(trust: Trust): ContextFound;
  /** Whether an authority of this very name (as Node prints it) is trusted. Reads every certificate: for failures only. Never throws. */
  names(trust: Trust, subject: string): boolean;
  /** A chain that was shown, as evidence. A certificate is read once and then known by its SHA-256. */
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
      const authorities = trust.kind === "private" ? [trust.caPem] : (publicRoots ?? getCACertificates("default"));
      return authorities.some((pem) => certificatesOf(pem).some((block) => isNamed(block, subject)));
    },
  };
}

function isNamed(pem: string, subject: string): boolean {
  try {
    return new X509Certificate(pem).subject === subject;
  } catch {
    // What cannot be read is nobody's name; a context of it is refused elsewhere.
    return false;
  }
}

function createContext(ca: readonly string[] | undefined): ContextFound {
  try {
    for (const pem of ca ?? []) readEvery(pem);
    // TLS 1.2 is the floor of every published endpoint (RFC 9325 §3.1.1); 1.3 is offered.
    const versions = { minVersion: "TLSv1.2", maxVersion: "TLSv1.3" } as const;
    return {
      kind: "context",
      context: createSecureContext(ca === undefined ? versions : { ...versions, ca: [...ca] }),
    };
  } catch (error) {
    return { kind: "unreadable", code: codeOf(error) };
  }
}

/** Throws unless every certificate can be read, and there is one: Node skips what it cannot read, and then trusts nobody. */
function readEvery(pem: string): void {
  const blocks = certificatesOf(pem);
  for (const block of blocks.length === 0 ? [""] : blocks) new X509Certificate(block);
}

/** OpenSSL's verification codes (`X509_V_ERR_*`, as Node names them) that are about time; all others are about trust. */
const TIME_CODES: Readonly<Record<string, Reason>> = {
  CERT_NOT_YET_VALID: "tls-not-yet-valid",
  CERT_HAS_EXPIRED: "tls-expired",
};

/** OpenSSL's verification codes that mean: the next certificate of the chain is nowhere to be found (`X509_V_ERR_*`). */
const ISSUER_CODES: readonly string[] = [
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_GET_ISSUER_CERT",
];

/** What a peer showed, and what is wrong with it. */
export interface PeerJudgement {
  /** Leaf first, completed from the trusted roots where OpenSSL could; at most {@link CHAIN_MAX}. */
  readonly chain: readonly ChainCertificate[];
  /** Undefined when the chain and the name are good. */
  readonly fault: { readonly reason: Reason; readonly code: string } | undefined;
}

/** What a certificate is held against. */
export interface PeerOptions {
  /** The host that it must be for. */
  readonly host: string;
  readonly trust: Trust;
}

/**
 * Captures and judges the certificate of a peer whose handshake is complete. `shown` is what Node has read of the chain already, where it
 * has: reading it is the dearest part of an attempt, next to the handshake itself.
 */
export function judgePeer(
  socket: TLSSocket,
  options: PeerOptions,
  store: TrustStore,
  shown?: PeerCertificate,
): PeerJudgement {
  if (shown !== undefined && isDetailed(shown)) return judged(socket, shown, options, store);
  // getPeerCertificate reads NIST's name of a key's curve, and a curve without one (brainpoolP256r1, secp256k1) ends the process by a memory
  // fault (Node 24.21): whoever is measured could end the agent. A trusted chain was read by it already, and its name is held against that.
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

/** As much of a certificate as both of Node's readers give. */
export interface ShownCertificate {
  readonly raw: Buffer;
  readonly fingerprint256: string;
  /** Undefined: none was shown. A root's is itself, or none. */
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
  // Of a trusted chain it is what getPeerCertificate gives (judgePeer), which is what names are held against.
  const mismatch = checkServerIdentity(host.replace(/\.$/, ""), leaf as DetailedPeerCertificate);
  return mismatch === undefined ? undefined : { reason: "tls-name-mismatch", code: codeOf(mismatch) };
}

/**
 * Whether a chain that cannot be followed lacks an intermediate certificate, rather than ending at an unknown authority.
 *
 * The two look alike: neither shows the issuer, and to fetch it would be another attempt, at another host (M1). The rule asks for
 * three things: the server showed its own certificate alone; the certificate names a URL of its issuer's (authority information
 * access, RFC 5280 §4.2.2.1), as every public authority writes into what its intermediates issue (CA/Browser Forum Baseline
 * Requirements §7.1.2.7.7); and the issuer's name is not that of a trusted authority, which would be an impostor, or a successor.
 *
 * What it misses, and calls untrusted: a private authority that writes no such URL, and a chain that shows one intermediate and
 * lacks a second, for a server rightly leaves out the root and then looks the same. What it takes for incomplete though it is not: a
 * certificate issued by an unknown root itself, with the root's URL in it; interception products are not known to write one. The
 * chain is kept as evidence either way, so who knows the fleet's issuer can overrule this.
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
  // A root is its own issuer; a peer without a certificate shows an empty object.
  while (shown?.raw !== undefined && chain.length < CHAIN_MAX) {
    chain.push(describe(shown));
    const { issuerCertificate: issuer } = shown;
    shown = issuer?.fingerprint256 === shown.fingerprint256 ? undefined : issuer;
  }
  return chain;
}

/** Descriptions by the certificate's SHA-256, at most {@link DESCRIPTIONS_MAX}, the oldest first to go. */
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

/** Node prints one attribute a line (`C=US\nO=…`); evidence is one line. A name may be absent altogether. */
function nameText(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}

/** The server name to send: names only, never literals (RFC 6066 §3), without the final dot. */
export function serverNameOf(host: string): string {
  return isIP(host) === 0 ? host.replace(/\.$/, "") : "";
}
