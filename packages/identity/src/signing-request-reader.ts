/** Reads certificate signing requests (PKCS #10, RFC 2986) in the collector; signing-request.ts makes them on nodes. */
import "reflect-metadata";
import { createPublicKey, webcrypto } from "node:crypto";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { keySha256 } from "./key-pair.ts";

/** Largest request, bytes: one with an RSA key of 8,192 bits has some 2,300. */
export const SIGNING_REQUEST_MAX_BYTES = 4_096;

/** Least strength of an RSA key, bits: 112 bits of security (NIST SP 800-131A). */
const RSA_MIN_BITS = 2_048;

const CURVES = ["prime256v1", "secp384r1"];

/** The content of a request. */
export type SigningRequest =
  | {
      readonly kind: "ok";
      /** The only common name of its subject. The caller must check that it is a node id. */
      readonly nodeId: string;
      readonly publicKeyDer: Buffer;
      readonly keySha256: string;
    }
  | { readonly kind: "malformed"; readonly detail: string };

/** Reads a request and verifies its signature, which proves that its sender has the key. Never rejects. */
export async function readSigningRequest(der: Uint8Array): Promise<SigningRequest> {
  if (der.length > SIGNING_REQUEST_MAX_BYTES) {
    return malformed(`${der.length} bytes, want at most ${SIGNING_REQUEST_MAX_BYTES}`);
  }
  try {
    return await read(der);
  } catch {
    // The parser's message does not help.
    return malformed("no certificate signing request (PKCS #10, DER)");
  }
}

async function read(der: Uint8Array): Promise<SigningRequest> {
  const request = new Pkcs10CertificateRequest(new Uint8Array(der));
  if (request.rawData.byteLength !== der.length) return malformed("bytes after its end");
  const publicKeyDer = Buffer.from(request.publicKey.rawData);
  const weakness = weaknessOf(publicKeyDer);
  if (weakness !== undefined) return malformed(weakness);
  const names = request.subjectName.getField("CN");
  const [nodeId] = names;
  if (nodeId === undefined || names.length !== 1) return malformed(`${names.length} common names, want one`);
  // The library returns a value that is not text as hexadecimal, which is not the name that was signed.
  if (!Buffer.from(request.subjectName.toArrayBuffer()).includes(nodeId))
    return malformed("a common name that is no text");
  if (!(await request.verify(webcrypto))) return malformed("a signature that is not by its own key");
  return { kind: "ok", nodeId, publicKeyDer, keySha256: keySha256(publicKeyDer) };
}

function weaknessOf(publicKeyDer: Buffer): string | undefined {
  const key = createPublicKey({ key: publicKeyDer, format: "der", type: "spki" });
  const { namedCurve = "", modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType ?? "";
  const isStrong =
    type === "ed25519" ||
    (type === "ec" && CURVES.includes(namedCurve)) ||
    (type === "rsa" && modulusLength >= RSA_MIN_BITS);
  if (isStrong) return undefined;
  const size = modulusLength === 0 ? namedCurve : `${modulusLength} bits`;
  return `a key of ${type} ${size}, want P-256, P-384, Ed25519 or RSA of ${RSA_MIN_BITS} bits or more`;
}

function malformed(detail: string): SigningRequest {
  return { kind: "malformed", detail };
}
