/** Records of the NTS key exchange (RFC 8915 §4): the client's request, and what a server's answer says. */
import { isTargetHost } from "@lifeline/measure";

/** Record types (RFC 8915 §4.1, IANA Network Time Security Key Establishment Record Types). */
const END_OF_MESSAGE = 0;
const NEXT_PROTOCOL = 1;
const ERROR = 2;
const WARNING = 3;
const AEAD_ALGORITHM = 4;
const COOKIE = 5;
const NTP_SERVER = 6;
const NTP_PORT = 7;

/** Set in the type of a record that the receiver must understand. */
const CRITICAL_BIT = 0x8000;
const HEADER_BYTES = 4;

/** Types from here on begin with a printable character: the text of another protocol, such as an HTTP status line. */
const TEXT_FROM = 0x2000;

/** NTPv4 (RFC 8915 §7.7). */
export const PROTOCOL_NTPV4 = 0;

/** AEAD_AES_SIV_CMAC_256, which every implementation has (RFC 8915 §5.1, RFC 5297). */
export const AEAD_AES_SIV_CMAC_256 = 15;

/** Most bytes of an answer that are read: eight cookies of 100 to 200 bytes are usual. */
export const ANSWER_MAX_BYTES = 16_384;

/** Longest cookie that fits one Ethernet frame with the rest of an NTP packet, bytes. */
const COOKIE_MAX_BYTES = 1_024;

/** What a key exchange gives. */
export interface KeyExchange {
  /** One cookie. A secret (S1): with the keys of the session it identifies this client to the server. */
  readonly cookie: Uint8Array;
  /** The time server's host; undefined: that of the key exchange. */
  readonly host: string | undefined;
  /** The time server's port; undefined: 123. */
  readonly port: number | undefined;
}

/** An answer: whole, refused with the server's code, not an answer of NTS, or not complete yet. */
export type KeyExchangeAnswer =
  | { readonly kind: "agreed"; readonly exchange: KeyExchange }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "malformed"; readonly code: string }
  | { readonly kind: "incomplete" };

/** The request: NTPv4 with AEAD_AES_SIV_CMAC_256. */
export function encodeKeyExchange(): Uint8Array {
  return Buffer.concat([
    record(NEXT_PROTOCOL, uint16(PROTOCOL_NTPV4)),
    record(AEAD_ALGORITHM, uint16(AEAD_AES_SIV_CMAC_256)),
    record(END_OF_MESSAGE, new Uint8Array()),
  ]);
}

function record(type: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([uint16(CRITICAL_BIT | type), uint16(body.byteLength), body]);
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

interface ReadRecord {
  readonly type: number;
  readonly isCritical: boolean;
  readonly body: Buffer;
}

/** Reads the bytes of an answer so far. Bytes after its end are ignored. */
export function decodeKeyExchange(bytes: Buffer): KeyExchangeAnswer {
  const records: ReadRecord[] = [];
  for (let at = 0; ; ) {
    if (bytes.byteLength < at + HEADER_BYTES) return { kind: "incomplete" };
    const type = bytes.readUInt16BE(at);
    const end = at + HEADER_BYTES + bytes.readUInt16BE(at + 2);
    const one = { type: type & ~CRITICAL_BIT, isCritical: type >= CRITICAL_BIT, body: bytes.subarray(at + 4, end) };
    if (one.type >= TEXT_FROM) return malformed("NTSKE_NO_RECORD");
    if (end > ANSWER_MAX_BYTES) return malformed("NTSKE_TOO_LONG");
    if (bytes.byteLength < end) return { kind: "incomplete" };
    if (one.type === END_OF_MESSAGE) return read(records);
    records.push(one);
    at = end;
  }
}

function malformed(code: string): KeyExchangeAnswer {
  return { kind: "malformed", code };
}

function read(records: readonly ReadRecord[]): KeyExchangeAnswer {
  const bodyOf = (type: number) => records.find((one) => one.type === type)?.body;
  const error = bodyOf(ERROR) ?? bodyOf(WARNING);
  if (error !== undefined)
    return { kind: "refused", code: codeOf(bodyOf(ERROR) === undefined ? "WARNING" : "ERROR", error) };
  const isUnknown = records.some(({ type, isCritical }) => isCritical && type > NTP_PORT);
  if (isUnknown) return malformed("NTSKE_UNKNOWN_RECORD");
  if (!holds(bodyOf(NEXT_PROTOCOL), PROTOCOL_NTPV4)) return { kind: "refused", code: "NTSKE_NO_NTPV4" };
  if (!holds(bodyOf(AEAD_ALGORITHM), AEAD_AES_SIV_CMAC_256)) return { kind: "refused", code: "NTSKE_NO_AEAD" };
  const cookie = bodyOf(COOKIE);
  if (cookie === undefined || cookie.byteLength === 0 || cookie.byteLength > COOKIE_MAX_BYTES)
    return malformed("NTSKE_NO_COOKIE");
  const host = bodyOf(NTP_SERVER)?.toString("latin1");
  if (host !== undefined && !isTargetHost(host)) return malformed("NTSKE_BAD_SERVER");
  const portBody = bodyOf(NTP_PORT);
  const port = portBody?.byteLength === 2 ? portBody.readUInt16BE() : undefined;
  if (portBody !== undefined && !port) return malformed("NTSKE_BAD_PORT");
  return { kind: "agreed", exchange: { cookie: Uint8Array.from(cookie), host, port } };
}

/** Whether a list of 16-bit numbers holds one. */
function holds(body: Buffer | undefined, wanted: number): boolean {
  for (let at = 0; body !== undefined && at + 2 <= body.byteLength; at += 2) {
    if (body.readUInt16BE(at) === wanted) return true;
  }
  return false;
}

/** Errors are 0 (unrecognised critical record), 1 (bad request) and 2 (internal error) (RFC 8915 §7.8). */
function codeOf(kind: "ERROR" | "WARNING", body: Buffer): string {
  return `NTSKE_${kind}_${body.byteLength === 2 ? body.readUInt16BE() : "MALFORMED"}`;
}
