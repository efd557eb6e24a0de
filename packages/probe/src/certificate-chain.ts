/**
 * Certificate chains as evidence: the path from a server's certificate to a CA that the node trusts.
 *
 * 1. The path is the one that OpenSSL verifies: a trusted issuer comes before one that the server sent. So a server
 *    that also sends an old, cross-signed root shows the path that counts.
 * 2. A path without a trusted CA ends where the server's certificates do.
 */
import { X509Certificate } from "node:crypto";
import { type ChainCertificate, certificatesOf, RecentMap } from "@lifeline/measure";
import { boundedText } from "./probe-result.ts";

/** Most certificates of a chain that are kept. */
const CHAIN_MAX = 8;

/** Most chains that are cached for one trust: those of all 64 endpoints of a large plan, and their successors. */
const CHAINS_MAX = 128;

/** The part of a certificate that both of Node's readers return. */
export interface ShownCertificate {
  readonly raw: Buffer;
  readonly fingerprint256: string;
  /** Undefined: none was shown. That of a root is the root itself, or none. */
  readonly issuerCertificate?: ShownCertificate | undefined;
}

/** The CAs of one trust. They are read when they are first needed, because there may be hundreds. */
export class TrustAnchors {
  readonly #pems: () => readonly string[];
  #bySubject: ReadonlyMap<string, readonly X509Certificate[]> | undefined;

  /** `pems`: texts of one or more certificates. A certificate that cannot be read is left out. */
  constructor(pems: () => readonly string[]) {
    this.#pems = pems;
  }

  /** The CAs with this name, as Node prints it; empty: none. */
  named(subject: string): readonly X509Certificate[] {
    this.#bySubject ??= bySubject(this.#pems().flatMap(certificatesOf).flatMap(readable));
    return this.#bySubject.get(subject) ?? [];
  }

  /** Whether the certificate itself is trusted as a CA. */
  has({ subject, fingerprint256 }: X509Certificate): boolean {
    return this.named(subject).some((anchor) => anchor.fingerprint256 === fingerprint256);
  }

  /** The CA that issued the certificate. Of several with one key the one that ends last. Undefined: none did. */
  issuerOf(certificate: X509Certificate): X509Certificate | undefined {
    return this.named(certificate.issuer)
      .filter((anchor) => hasIssued(anchor, certificate))
      .sort((a, b) => b.validToDate.getTime() - a.validToDate.getTime())[0];
  }
}

/** The chains that servers showed, as evidence. */
export class CertificateChains {
  readonly #anchors: TrustAnchors;
  readonly #known = new RecentMap<readonly ChainCertificate[]>(CHAINS_MAX);

  constructor(anchors: TrustAnchors) {
    this.#anchors = anchors;
  }

  /** The path from `leaf`, at most {@link CHAIN_MAX} long; empty without a certificate. Cached. */
  describe(leaf: ShownCertificate | undefined): readonly ChainCertificate[] {
    const shown = listOf(leaf);
    const key = shown.map(({ fingerprint256 }) => fingerprint256).join();
    const described = this.#known.get(key) ?? pathOf(shown, this.#anchors);
    this.#known.set(key, described);
    return described;
  }
}

function bySubject(certificates: readonly X509Certificate[]): ReadonlyMap<string, readonly X509Certificate[]> {
  const found = new Map<string, X509Certificate[]>();
  for (const certificate of certificates) {
    const { subject } = certificate;
    found.set(subject, [...(found.get(subject) ?? []), certificate]);
  }
  return found;
}

function readable(pem: string): readonly X509Certificate[] {
  try {
    return [new X509Certificate(pem)];
  } catch {
    // The trust store reports it when it makes a context of these certificates.
    return [];
  }
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** The certificates in the order in which Node links them. */
function listOf(leaf: ShownCertificate | undefined): readonly ShownCertificate[] {
  const shown: ShownCertificate[] = [];
  let next = leaf;
  // A root is its own issuer. For a peer without a certificate Node returns an empty object.
  while (next?.raw !== undefined && shown.length < CHAIN_MAX) {
    shown.push(next);
    const { issuerCertificate: issuer } = next;
    next = issuer?.fingerprint256 === next.fingerprint256 ? undefined : issuer;
  }
  return shown;
}

function pathOf(shown: readonly ShownCertificate[], anchors: TrustAnchors): readonly ChainCertificate[] {
  const path: ChainCertificate[] = [];
  for (const { raw } of shown) {
    const certificate = new X509Certificate(raw);
    const anchored = anchors.has(certificate);
    path.push(described(certificate, anchored));
    const issuer = anchored ? undefined : anchors.issuerOf(certificate);
    if (issuer !== undefined && path.length < CHAIN_MAX) path.push(described(issuer, true));
    if (anchored || issuer !== undefined) break;
  }
  return path;
}

function described(certificate: X509Certificate, anchor: boolean): ChainCertificate {
  return {
    subject: boundedText(nameText(certificate.subject)),
    issuer: boundedText(nameText(certificate.issuer)),
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    sha256: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    anchor,
  };
}

/** Node prints one attribute a line (`C=US\nO=…`), and evidence is one line. A name may be absent. */
function nameText(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}
