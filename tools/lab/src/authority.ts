/**
 * The lab's own certificate authority: made at start, kept in memory, gone with the process.
 *
 * 1. The authority's private key never leaves {@link createIdentity}: one leaf is signed, then the key is dropped.
 * 2. Only public certificates and the leaf's key (for the listeners of this process) are returned.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import type { Clock } from "@lifeline/measure";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** What a TLS listener of the lab presents. */
export interface Identity {
  /** The authority's certificate: what a client must trust. Public. */
  readonly caPem: string;
  /** Leaf first, then the authority, so that a captured chain shows both. */
  readonly chainPem: string;
  /** The leaf's private key, PKCS #8. For the listeners of this process only. */
  readonly keyPem: string;
}

/** ECDSA on P-256 with SHA-256: what every TLS 1.3 client must support (RFC 8446 §9.1). */
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** The certificates' life: 7 days, longer than any lab runs and too short to be kept. */
const VALIDITY_MS = 7 * 24 * 3_600_000;

/** Validity starts 5 minutes early, so that a neighbour's slightly slow clock does not read "not yet valid". */
const BACKDATE_MS = 5 * 60_000;

const CA_NAME = "CN=Lifeline lab CA (stand-in\\, not Omni),O=Lifeline lab";
const LEAF_NAME = "CN=Lifeline lab stand-in,O=Lifeline lab";

/** Names every leaf is valid for, beside those asked for. */
const LOOPBACK_NAMES = ["127.0.0.1", "::1", "localhost"] as const;

/** Makes an authority and a leaf valid for loopback and `names` (IP literals or DNS names). */
export async function createIdentity(clock: Clock, names: readonly string[]): Promise<Identity> {
  const validity = {
    notBefore: new Date(clock.wallMs() - BACKDATE_MS),
    notAfter: new Date(clock.wallMs() + VALIDITY_MS),
  };
  const caKeys = await newKeys();
  const ca = await X509CertificateGenerator.createSelfSigned(
    { name: CA_NAME, keys: caKeys, signingAlgorithm: ALGORITHM, ...validity, extensions: await caExtensions(caKeys) },
    webcrypto,
  );
  const leafKeys = await newKeys();
  const leaf = await X509CertificateGenerator.create(
    {
      subject: LEAF_NAME,
      issuer: ca.subject,
      publicKey: leafKeys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: ALGORITHM,
      ...validity,
      extensions: await leafExtensions(caKeys.publicKey, [...new Set([...LOOPBACK_NAMES, ...names])]),
    },
    webcrypto,
  );
  return { caPem: pem(ca), chainPem: `${pem(leaf)}${pem(ca)}`, keyPem: await keyPem(leafKeys.privateKey) };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function caExtensions(keys: webcrypto.CryptoKeyPair) {
  return [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
  ];
}

async function leafExtensions(caKey: webcrypto.CryptoKey, names: readonly string[]) {
  return [
    // Every lab's authority has the same name: by its key a client tells another lab's authority (untrusted) from a forged signature.
    await AuthorityKeyIdentifierExtension.create(caKey, false, webcrypto),
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(
      names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
    ),
  ];
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})(?=.)/g, "$1\n")}\n-----END PRIVATE KEY-----\n`;
}
