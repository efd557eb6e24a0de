/** Key pairs of nodes, persons and listeners. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";

/** A key pair. New ones are ECDSA on P-256, which every TLS 1.3 peer supports (RFC 8446 §9.1). */
export interface KeyPair {
  /** PKCS #8, PEM. Secret: never logged; stored readable by its owner only. */
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Buffer;
}

export function makeKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateKeyPem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    publicKeyDer: publicKey.export({ format: "der", type: "spki" }),
  };
}

/** The name of a key: SHA-256 of its SubjectPublicKeyInfo, 64 lower-case hexadecimal characters. */
export function keySha256(publicKeyDer: Uint8Array): string {
  return createHash("sha256").update(publicKeyDer).digest("hex");
}

/** The pair of a stored private key. Throws OpenSSL's error for a text that is none. */
export function keyPairOf(privateKeyPem: string): KeyPair {
  const publicKey = createPublicKey(createPrivateKey(privateKeyPem));
  return { privateKeyPem, publicKeyDer: publicKey.export({ format: "der", type: "spki" }) };
}
