/** Certificate chains that no CA would make, as DER (X.690, RFC 5280). */
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";

/** A leaf with everything above it, and the leaf's key. PEM. */
export interface ChainPems {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Object identifiers, encoded. */
const OID = {
  ecdsaWithSha512: Buffer.from("06082a8648ce3d040304", "hex"),
  commonName: Buffer.from("0603550403", "hex"),
  basicConstraints: Buffer.from("0603551d13", "hex"),
} as const;

const SEQUENCE = 0x30;
const YEAR_MS = 365 * 24 * 3_600_000;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(SEQUENCE, ...parts);

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(OID.commonName, der(0x0c, Buffer.from(commonName)))));
}

function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "")}`;
  return der(0x18, Buffer.from(text));
}

/** The encoded subject of a certificate: the sixth part of the signed content. */
function subjectOf(certificate: Uint8Array): Buffer {
  const bytes = Buffer.from(certificate);
  // Into the certificate, and into what is signed.
  let at = contentAt(bytes, contentAt(bytes, 0));
  for (let part = 0; part < 5; part += 1) at = endOf(bytes, at);
  return bytes.subarray(at, endOf(bytes, at));
}

/** Where the content of the element at `at` begins. */
function contentAt(bytes: Buffer, at: number): number {
  const first = bytes.readUInt8(at + 1);
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f);
}

function endOf(bytes: Buffer, at: number): number {
  const start = contentAt(bytes, at);
  const first = bytes.readUInt8(at + 1);
  return start + (first < 0x80 ? first : bytes.readUIntBE(at + 2, first & 0x7f));
}

interface CertificateOptions {
  readonly issuer: string | Buffer;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly isCa: boolean;
  readonly signedWith: KeyObject;
  readonly nowMs: number;
}

function certificatePem({ issuer, subject, publicKey, isCa, signedWith, nowMs }: CertificateOptions): string {
  const algorithm = sequence(OID.ecdsaWithSha512);
  const constraints = sequence(OID.basicConstraints, der(0x04, sequence(...(isCa ? [Buffer.from([1, 1, 0xff])] : []))));
  const serial = createHash("sha256").update(subject).digest().subarray(0, 8);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01;
  const body = sequence(
    der(0xa0, Buffer.from([2, 1, 2])),
    der(0x02, serial),
    algorithm,
    typeof issuer === "string" ? nameOf(issuer) : issuer,
    sequence(time(nowMs - YEAR_MS), time(nowMs + YEAR_MS)),
    nameOf(subject),
    publicKey.export({ format: "der", type: "spki" }),
    der(0xa3, sequence(constraints)),
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha512", body, signedWith));
  const base64 = sequence(body, algorithm, signature).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

/**
 * A P-256 leaf below `length` − 1 CAs. Every CA uses brainpoolP512r1, the curve whose signatures OpenSSL verifies most
 * slowly.
 */
export function longChain(length: number, nowMs: number): ChainPems {
  const ca = generateKeyPairSync("ec", { namedCurve: "brainpoolP512r1" });
  const leaf = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const certificates = Array.from({ length }, (_, at) =>
    certificatePem({
      issuer: `ca ${at + 1}`,
      subject: at === 0 ? "leaf" : `ca ${at}`,
      publicKey: at === 0 ? leaf.publicKey : ca.publicKey,
      isCa: at > 0,
      signedWith: ca.privateKey,
      nowMs,
    }),
  );
  return {
    certPem: certificates.join(""),
    keyPem: pemOf(leaf.privateKey),
  };
}

/** A self-signed certificate, with a key on a curve of OpenSSL's. */
export function selfSigned(namedCurve: string, nowMs: number): ChainPems {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
  const own = { issuer: "self", subject: "self", publicKey, isCa: false, signedWith: privateKey, nowMs };
  return { certPem: certificatePem(own), keyPem: pemOf(privateKey) };
}

/** A certificate signed with a key that is not a CA's. */
export interface ForgedCertificate {
  readonly subject: string;
  /** Whether the certificate claims to be a CA. */
  readonly isCa: boolean;
  readonly nowMs: number;
}

/** A certificate signed with the key of a certificate that is not a CA, and the chain above that one. */
export function chainBelowLeaf(leaf: ChainPems, forged: ForgedCertificate): ChainPems {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const issuer = subjectOf(new X509Certificate(leaf.certPem).raw);
  const certPem = certificatePem({ ...forged, issuer, publicKey, signedWith: createPrivateKey(leaf.keyPem) });
  return { certPem: certPem + leaf.certPem, keyPem: pemOf(privateKey) };
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}
