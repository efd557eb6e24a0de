/** Makes X.509 certificates (RFC 5280): those of CAs, and leaves below them. */
import "reflect-metadata";
import { createPrivateKey, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityInfoAccessExtension,
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type Name,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** How a key signs, as WebCrypto names it. */
export type SigningAlgorithm = { readonly name: string; readonly namedCurve?: string; readonly hash?: string };

/** ECDSA on P-256 with SHA-256, which every TLS 1.3 peer supports (RFC 8446 §9.1). */
export const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A CA that can sign. */
export interface Signer {
  readonly certificate: X509Certificate;
  readonly signingKey: webcrypto.CryptoKey;
  readonly signingAlgorithm: SigningAlgorithm;
}

/** The content of every certificate. */
export interface CertificateContent {
  /** A text is read by RFC 4514. */
  readonly subject: Name | string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Hexadecimal; default: random. */
  readonly serialNumber?: string;
}

/** A CA that was just made. */
export interface MadeCa extends Signer {
  readonly certPem: string;
  /** PKCS #8. Secret. */
  readonly keyPem: string;
}

/** A leaf that was just made. */
export interface MadeLeaf {
  readonly certificate: X509Certificate;
  readonly certPem: string;
}

/**
 * Makes a CA with a new key of P-256, signed by `issuer`; by default by itself. `pathLength`: CAs that may be below it
 * (§4.2.1.9).
 */
export async function makeCa(
  content: CertificateContent & { readonly pathLength: number; readonly issuer?: Signer },
): Promise<MadeCa> {
  const { subject, pathLength, issuer } = content;
  const keys = await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create(
    {
      subject,
      issuer: issuer?.certificate.subjectName ?? subject,
      publicKey: keys.publicKey,
      signingKey: issuer?.signingKey ?? keys.privateKey,
      signingAlgorithm: issuer?.signingAlgorithm ?? P256,
      ...validityOf(content),
      extensions: [
        new BasicConstraintsExtension(true, pathLength, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        ...(issuer === undefined
          ? []
          : [await AuthorityKeyIdentifierExtension.create(issuer.certificate, false, webcrypto)]),
      ],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const keyPem = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "pem", type: "pkcs8" });
  return {
    certificate,
    signingKey: keys.privateKey,
    signingAlgorithm: P256,
    certPem: pemOf(certificate),
    keyPem: keyPem.toString(),
  };
}

/** The content of a leaf. */
export interface LeafContent extends CertificateContent {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Uint8Array;
  readonly usage: "client" | "server";
  /** DNS names and address literals; may be empty. */
  readonly names: readonly string[];
  /** Where the issuer's certificate can be downloaded (§4.2.2.1); default: not said. */
  readonly issuerUrl?: string;
}

const USAGES = { client: ExtendedKeyUsage.clientAuth, server: ExtendedKeyUsage.serverAuth };

/** Makes a leaf signed by `issuer`. */
export async function makeLeaf(issuer: Signer, content: LeafContent): Promise<MadeLeaf> {
  const { subject, names, usage, issuerUrl } = content;
  const publicKey = new PublicKey(new Uint8Array(content.publicKeyDer));
  const certificate = await X509CertificateGenerator.create(
    {
      subject,
      issuer: issuer.certificate.subjectName,
      publicKey,
      signingKey: issuer.signingKey,
      signingAlgorithm: issuer.signingAlgorithm,
      ...validityOf(content),
      extensions: [
        await AuthorityKeyIdentifierExtension.create(issuer.certificate, false, webcrypto),
        await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
        ...(issuerUrl === undefined ? [] : [new AuthorityInfoAccessExtension({ caIssuers: [issuerUrl] })]),
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([USAGES[usage]]),
        ...(names.length === 0 ? [] : [alternativeNames(names)]),
      ],
    },
    webcrypto,
  );
  return { certificate, certPem: pemOf(certificate) };
}

/** Opens a CA that was kept: its certificate's DER, and its private key, PKCS #8 DER. */
export async function openSigner(
  certDer: Uint8Array,
  keyDer: Uint8Array,
  signingAlgorithm: SigningAlgorithm,
): Promise<Signer> {
  const signingKey = await webcrypto.subtle.importKey("pkcs8", keyDer, signingAlgorithm, false, ["sign"]);
  return { certificate: new X509Certificate(new Uint8Array(certDer)), signingKey, signingAlgorithm };
}

function validityOf({ notBeforeMs, notAfterMs, serialNumber }: CertificateContent) {
  return {
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
}

function alternativeNames(names: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(
    names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
  );
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}
