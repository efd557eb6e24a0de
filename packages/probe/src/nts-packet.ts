/**
 * NTP packets protected by NTS (RFC 8915 §5): the request with unique identifier, cookie and authenticator, and the
 * proof in the answer.
 */
import { aessiv } from "@noble/ciphers/aes.js";
import { NTP_PACKET_BYTES } from "./ntp-packet.ts";

/** Extension field types (RFC 8915 §7.5). */
const UNIQUE_IDENTIFIER = 0x0104;
const COOKIE = 0x0204;
const AUTHENTICATOR = 0x0404;

/** Type and length of an extension field (RFC 7822 §3.1). */
const FIELD_HEADER_BYTES = 4;

/** Fields end at multiples of four bytes (RFC 7822 §3.1). */
const ALIGNMENT_BYTES = 4;

/** Least bytes of a unique identifier (RFC 8915 §5.3). */
export const UNIQUE_IDENTIFIER_BYTES = 32;

/** Bytes of the nonce: what AES-SIV takes as a rule (RFC 8915 §5.6). */
export const AEAD_NONCE_BYTES = 16;

/** Bytes of the two lengths at the start of an authenticator (RFC 8915 §5.6). */
const LENGTHS_BYTES = 4;

/** The keys of one key exchange, 32 bytes each. Secrets (S1). */
export interface NtsKeys {
  readonly clientToServer: Uint8Array;
  readonly serverToClient: Uint8Array;
}

/** What goes into a request besides the NTP header. */
export interface NtsRequest {
  /** Random; the answer repeats it. */
  readonly uniqueIdentifier: Uint8Array;
  readonly cookie: Uint8Array;
  /** Random. */
  readonly aeadNonce: Uint8Array;
}

/** The request: `header` with its extension fields, sealed. Nothing in it is encrypted. */
export function sealNtsRequest(
  header: Uint8Array,
  { uniqueIdentifier, cookie, aeadNonce }: NtsRequest,
  { clientToServer }: NtsKeys,
): Uint8Array {
  const associated = Buffer.concat([header, field(UNIQUE_IDENTIFIER, uniqueIdentifier), field(COOKIE, cookie)]);
  const sealed = aessiv(clientToServer, associated, aeadNonce).encrypt(new Uint8Array());
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  lengths.writeUInt16BE(aeadNonce.byteLength, 0);
  lengths.writeUInt16BE(sealed.byteLength, 2);
  const body = Buffer.concat([lengths, padded(aeadNonce), padded(sealed)]);
  return Buffer.concat([associated, field(AUTHENTICATOR, body)]);
}

function field(type: number, body: Uint8Array): Uint8Array {
  const value = padded(body);
  const header = Buffer.alloc(FIELD_HEADER_BYTES);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(FIELD_HEADER_BYTES + value.byteLength, 2);
  return Buffer.concat([header, value]);
}

function padded(bytes: Uint8Array): Uint8Array {
  const length = Math.ceil(bytes.byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  return Buffer.concat([bytes], length);
}

/**
 * What an answer proves. `proven`: it carries the request's unique identifier and the server's authenticator.
 * `identified`: only the identifier, as an NTS NAK does. `none`: neither.
 */
export type NtsProof = "proven" | "identified" | "none";

/** Checks the extension fields of an answer. Total. */
export function proofOf(answer: Uint8Array, uniqueIdentifier: Uint8Array, { serverToClient }: NtsKeys): NtsProof {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  let isIdentified = false;
  for (let at = NTP_PACKET_BYTES; at + FIELD_HEADER_BYTES <= bytes.byteLength; ) {
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    const end = at + length;
    if (length < FIELD_HEADER_BYTES || length % ALIGNMENT_BYTES !== 0 || end > bytes.byteLength) break;
    const body = bytes.subarray(at + FIELD_HEADER_BYTES, end);
    if (type === UNIQUE_IDENTIFIER) isIdentified = body.equals(uniqueIdentifier);
    // What follows the authenticator is not protected by it.
    if (type === AUTHENTICATOR) return verdictOf(isIdentified, opens(bytes.subarray(0, at), body, serverToClient));
    at = end;
  }
  return verdictOf(isIdentified, false);
}

function verdictOf(isIdentified: boolean, isAuthentic: boolean): NtsProof {
  if (!isIdentified) return "none";
  return isAuthentic ? "proven" : "identified";
}

/** Whether the authenticator in `body` seals the packet up to it. The new cookies inside are dropped. */
function opens(associated: Uint8Array, body: Buffer, key: Uint8Array): boolean {
  if (body.byteLength < LENGTHS_BYTES) return false;
  const nonceBytes = body.readUInt16BE(0);
  const sealedBytes = body.readUInt16BE(2);
  const sealedAt = LENGTHS_BYTES + Math.ceil(nonceBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  if (nonceBytes === 0 || sealedAt + sealedBytes > body.byteLength) return false;
  const nonce = body.subarray(LENGTHS_BYTES, LENGTHS_BYTES + nonceBytes);
  try {
    aessiv(key, associated, nonce).decrypt(body.subarray(sealedAt, sealedAt + sealedBytes));
    return true;
  } catch {
    // Not sealed with this key, or too short to be.
    return false;
  }
}
