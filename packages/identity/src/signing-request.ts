/**
 * Makes certificate signing requests (PKCS #10, RFC 2986) for nodes, with one name and a key of P-256.
 *
 * It writes DER (X.690) itself, because the library that the collector reads requests with would take a megabyte of a
 * node's memory.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

/** Lengths below this are one byte; above, bytes of length follow a byte that counts them (X.690 §8.1.3). */
const SHORT_LENGTH_END = 0x80;

/** Tags of the parts of a request (X.690 §8). */
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
/** `[0]`, constructed: the attributes (RFC 2986 §4.1). */
const ATTRIBUTES = 0xa0;

/** `id-at-commonName`, 2.5.4.3 (RFC 5280 appendix A.1). */
const COMMON_NAME = der(OBJECT_IDENTIFIER, Buffer.from("550403", "hex"));
/** `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2 (RFC 5758 §3.2), which has no parameters. */
const ECDSA_WITH_SHA256 = der(SEQUENCE, der(OBJECT_IDENTIFIER, Buffer.from("2a8648ce3d040302", "hex")));
/** Version 1 of a request is written 0 (RFC 2986 §4.1). */
const VERSION = der(INTEGER, Buffer.of(0));

/** Makes a request for `nodeId` under a key of P-256, DER. Throws a TypeError when the key is another kind. */
export function signingRequestDer(privateKeyPem: string, nodeId: string): Uint8Array {
  const secret = createPrivateKey(privateKeyPem);
  refuseOtherKeys(secret);
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(nodeId, "utf8")))));
  const publicKey = createPublicKey(secret).export({ format: "der", type: "spki" });
  const info = der(SEQUENCE, VERSION, name, publicKey, der(ATTRIBUTES));
  const signature = sign("sha256", info, { key: secret, dsaEncoding: "der" });
  // The first byte of a bit string counts the bits its last byte does not use (X.690 §8.6.2).
  return new Uint8Array(der(SEQUENCE, info, ECDSA_WITH_SHA256, der(BIT_STRING, Buffer.of(0), signature)));
}

function refuseOtherKeys({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): void {
  if (asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1") return;
  throw new TypeError(`got a key of ${asymmetricKeyType}, want a key of P-256`);
}

/** One value: tag, length, content (X.690 §8.1). */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < SHORT_LENGTH_END) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const digits = content.length.toString(16);
  const length = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.of(tag, SHORT_LENGTH_END | length.length), length, content]);
}
