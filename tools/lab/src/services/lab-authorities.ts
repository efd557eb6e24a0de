/**
 * The lab's certificate authorities: made at start, kept in memory, gone with the process.
 *
 * 1. Every one says `lab` in its subject, also the copy of an interception product.
 * 2. Only root certificates leave the process; keys never do.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import type { Clock } from "@lifeline/measure";
import {
  AuthorityInfoAccessExtension,
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

/** ECDSA on P-256 with SHA-256: what every TLS 1.3 client must support (RFC 8446 §9.1). */
const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** RSA of the size public authorities ask for at least (CA/Browser Forum BR §6.1.5). */
const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  modulusLength: 2_048,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;

const DAY_MS = 24 * 3_600_000;

/** The authorities' life: 30 days either way, so that leaves of every validity fall inside. */
const AUTHORITY_DAYS = 30;

/** When a leaf is valid, in days from now: `current` is longer than any lab runs and too short to be kept. */
const VALIDITY_DAYS = { current: [-1, 7], expired: [-8, -1], "not-yet-valid": [1, 8] } as const;

/** The organisation of the lab's public authorities where none is asked for. */
export const LAB_ISSUER = "Lifeline lab";

/** Subjects of the copy of an interception product, in the shape its real ones have, marked as the lab's. */
const INTERCEPTION_ROOT = "CN=Zscaler Root CA,OU=lab,O=Zscaler Inc.";
const INTERCEPTION_INTERMEDIATE = "CN=Zscaler Intermediate Root CA,OU=lab,O=Zscaler Inc.";

/** Where the intermediate could be had, were there anything (`.test`: RFC 6761 §6.2). */
const ISSUER_URL = "http://issuer.lab.test/intermediate.cer";

/** What signs leaves, and the certificates that a server sends after them. */
export interface Authority {
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
  /** Whether its leaves say where its certificate can be had, as public authorities' must (CA/Browser Forum BR §7.1.2.7.7). */
  readonly isPublic: boolean;
  /** The authority's own certificate and those above it, without a root that every client has; PEM. */
  readonly chainPem: string;
}

/** What a TLS server presents. */
export interface Leaf {
  readonly certPem: string;
  /** What completes the chain; empty when the leaf goes alone. */
  readonly restPem: string;
  readonly keyPem: string;
}

/** What a leaf should be like. */
export interface LeafWish {
  readonly issuer: Authority;
  /** DNS name or IP literal. */
  readonly name: string;
  readonly validity: keyof typeof VALIDITY_DAYS;
  readonly keyType: "ec" | "rsa";
}

/** The lab's authorities. */
export interface LabAuthorities {
  /** What stands for the public roots; a client gets it by NODE_EXTRA_CA_CERTS. */
  readonly publicRootPem: string;
  /** The root of the interception copy: for clients that are to trust it. */
  readonly interceptionRootPem: string;
  /** The root that `untrusted` certificates end at. */
  readonly privateRootPem: string;
  readonly interception: Authority;
  readonly private: Authority;
  /** The intermediate under the public root that bears `organisation`. */
  publicIssuer(organisation: string): Promise<Authority>;
  issue(wish: LeafWish): Promise<Leaf>;
}

/** Makes the authorities; a few signatures, no file, no network. */
export async function createLabAuthorities(clock: Clock): Promise<LabAuthorities> {
  const publicRoot = await createRoot(clock, `CN=Lifeline lab public root,OU=lab,O=${LAB_ISSUER}`);
  const privateRoot = await createRoot(clock, "CN=Private CA that nobody was told of,OU=lab,O=Lifeline lab private");
  const interceptionRoot = await createRoot(clock, INTERCEPTION_ROOT);
  // One pair of keys serves every leaf: making an RSA key takes tenths of a second, and secrecy is no aim here.
  const leafKeys = { ec: await newKeys(EC), rsa: await newKeys(RSA) };
  return {
    publicRootPem: publicRoot.chainPem,
    interceptionRootPem: interceptionRoot.chainPem,
    privateRootPem: privateRoot.chainPem,
    interception: await createIntermediate(clock, interceptionRoot, INTERCEPTION_INTERMEDIATE, false),
    private: privateRoot,
    publicIssuer: (organisation) =>
      createIntermediate(clock, publicRoot, `CN=Lifeline lab intermediate,OU=lab,O=${escapeName(organisation)}`, true),
    issue: (wish) => issueLeaf(clock, wish, leafKeys[wish.keyType]),
  };
}

async function createRoot(clock: Clock, name: string): Promise<Authority> {
  const keys = await newKeys(EC);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name,
      keys,
      signingAlgorithm: EC,
      ...validity(clock, -AUTHORITY_DAYS, AUTHORITY_DAYS),
      extensions: await authorityExtensions(keys, undefined),
    },
    webcrypto,
  );
  return { certificate, keys, isPublic: false, chainPem: pem(certificate) };
}

async function createIntermediate(
  clock: Clock,
  root: Authority,
  subject: string,
  isPublic: boolean,
): Promise<Authority> {
  const keys = await newKeys(EC);
  const certificate = await X509CertificateGenerator.create(
    {
      subject,
      issuer: root.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: root.keys.privateKey,
      signingAlgorithm: EC,
      ...validity(clock, -AUTHORITY_DAYS, AUTHORITY_DAYS),
      extensions: await authorityExtensions(keys, root),
    },
    webcrypto,
  );
  return { certificate, keys, isPublic, chainPem: pem(certificate) };
}

async function issueLeaf(clock: Clock, wish: LeafWish, keys: webcrypto.CryptoKeyPair): Promise<Leaf> {
  const { issuer, name } = wish;
  const [fromDays, toDays] = VALIDITY_DAYS[wish.validity];
  const certificate = await X509CertificateGenerator.create(
    {
      subject: `CN=Lifeline lab stand-in,OU=lab,O=${LAB_ISSUER}`,
      issuer: issuer.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: issuer.keys.privateKey,
      signingAlgorithm: EC,
      ...validity(clock, fromDays, toDays),
      extensions: [
        await AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey, false, webcrypto),
        ...(issuer.isPublic ? [new AuthorityInfoAccessExtension({ caIssuers: [ISSUER_URL] })] : []),
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([{ type: isIP(name) === 0 ? "dns" : "ip", value: name }]),
      ],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})(?=.)/g, "$1\n")}\n-----END PRIVATE KEY-----\n`;
  return { certPem: pem(certificate), restPem: issuer.chainPem, keyPem };
}

async function authorityExtensions(keys: webcrypto.CryptoKeyPair, parent: Authority | undefined) {
  return [
    new BasicConstraintsExtension(true, parent === undefined ? 1 : 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
    ...(parent === undefined
      ? []
      : [await AuthorityKeyIdentifierExtension.create(parent.keys.publicKey, false, webcrypto)]),
  ];
}

function newKeys(algorithm: typeof EC | typeof RSA): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}

function validity(clock: Clock, fromDays: number, toDays: number) {
  const nowMs = clock.wallMs();
  return { notBefore: new Date(nowMs + fromDays * DAY_MS), notAfter: new Date(nowMs + toDays * DAY_MS) };
}

/** An attribute value as RFC 4514 §2.4 writes it. */
function escapeName(value: string): string {
  return value.replace(/[,+"\\<>;=#]/g, (character) => `\\${character}`);
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}
