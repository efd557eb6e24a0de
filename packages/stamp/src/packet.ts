/**
 * STAMP test packets (RFC 8762 §4.2, §4.3): bytes to values and back.
 *
 * 1. Decoding never throws: any bytes give `ok` or `malformed` with a reason.
 * 2. decode(encode(packet)) is the packet, in both modes.
 * 3. Fields that must be zero are sent as zero. When read, they only distinguish a reply from a request. Bytes after
 *    the base packet (RFC 8972 TLVs, padding) are ignored (padding.ts).
 * 4. A reflected packet is exactly as long as the shortest request, so a reflector cannot amplify.
 * 5. A reply is no request: decodeSender refuses everything that encodeReflected makes. So two reflectors never answer
 *    each other.
 */
import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { type ErrorEstimate, errorEstimateBits, errorEstimateOf } from "./error-estimate.ts";
import type { NtpTimestamp } from "./timestamp.ts";

/** Bytes of an unauthenticated packet, either direction (RFC 8762 §4.2.1, §4.3.1). */
export const UNAUTHENTICATED_BYTES = 44;

/** Bytes of an authenticated packet, either direction (RFC 8762 §4.2.2, §4.3.2). */
export const AUTHENTICATED_BYTES = 112;

/** Bytes that the HMAC covers: the first six blocks of 16 (RFC 8762 §4.4). */
const HMAC_COVERED_BYTES = 96;

/** Bytes of the HMAC-SHA-256 that are sent (RFC 8762 §4.4, RFC 4868). */
const HMAC_BYTES = 16;

/** Bytes of an error estimate (RFC 8762 §4.2.1). */
const ERROR_ESTIMATE_BYTES = 2;

/** What a Session-Sender sends. */
export interface SenderPacket {
  /** 0–2^32−1; Lifeline's own come from `sequenceAt`. */
  readonly sequence: number;
  /** T1, by the sender's clock. */
  readonly sentAt: NtpTimestamp;
  readonly errorEstimate: ErrorEstimate;
}

/** What a Session-Reflector sends back. */
export interface ReflectedPacket {
  /** The reflector's own number; a stateless reflector copies the sender's (RFC 8762 §4.3). */
  readonly sequence: number;
  /** T3, by the reflector's clock. */
  readonly sentAt: NtpTimestamp;
  readonly errorEstimate: ErrorEstimate;
  /** T2, by the reflector's clock. */
  readonly receivedAt: NtpTimestamp;
  /** The request, copied. */
  readonly sender: SenderPacket;
  /** TTL or hop limit the request arrived with, 0–255; 255 when the reflector cannot tell (RFC 5357 §4.2.1). */
  readonly senderTtl: number;
}

/**
 * - `short`: fewer bytes than the mode's packet.
 * - `unauthentic`: the HMAC does not match the key.
 * - `error-estimate`: a multiplier of zero, which marks a corrupt packet (RFC 4656 §4.1.2).
 * - `timestamp-format`: PTPv2 timestamps, which are not supported.
 * - `reply`: the reply of a reflector where a request was expected.
 */
export type MalformedReason = "short" | "unauthentic" | "error-estimate" | "timestamp-format" | "reply";

/** The packet in the bytes, or why there is none. */
export type Decoded<Packet> =
  | { readonly kind: "ok"; readonly packet: Packet }
  | { readonly kind: "malformed"; readonly reason: MalformedReason };

/** Byte offsets of the fields in one mode. Reflected packets begin like sender packets. */
interface Layout {
  readonly bytes: number;
  readonly sentAt: number;
  readonly errorEstimate: number;
  readonly receivedAt: number;
  readonly senderSequence: number;
  readonly senderSentAt: number;
  readonly senderErrorEstimate: number;
  readonly senderTtl: number;
}

/** RFC 8762 figures 3 and 5. */
const UNAUTHENTICATED: Layout = {
  bytes: UNAUTHENTICATED_BYTES,
  sentAt: 4,
  errorEstimate: 12,
  receivedAt: 16,
  senderSequence: 24,
  senderSentAt: 28,
  senderErrorEstimate: 36,
  senderTtl: 40,
};

/** RFC 8762 figures 4 and 6. */
const AUTHENTICATED: Layout = {
  bytes: AUTHENTICATED_BYTES,
  sentAt: 16,
  errorEstimate: 24,
  receivedAt: 32,
  senderSequence: 48,
  senderSentAt: 64,
  senderErrorEstimate: 72,
  senderTtl: 80,
};

/** The bytes of a request: unauthenticated, or authenticated when a key is given. */
export function encodeSender(packet: SenderPacket, key?: Uint8Array): Uint8Array {
  const { view, layout } = blank(key);
  writeSender(view, 0, layout.sentAt, layout.errorEstimate, packet);
  return withHmac(view, key);
}

/** Reads a request. With a key only an authentic one is `ok`. A reply never is. */
export function decodeSender(bytes: Uint8Array, key?: Uint8Array): Decoded<SenderPacket> {
  const opened = open(bytes, key);
  if (opened.kind === "malformed") return opened;
  const { view, layout } = opened;
  if (isReply(view, layout)) return { kind: "malformed", reason: "reply" };
  return checked(readSender(view, 0, layout.sentAt, layout.errorEstimate));
}

/** The bytes of a reply: unauthenticated, or authenticated when a key is given. */
export function encodeReflected(packet: ReflectedPacket, key?: Uint8Array): Uint8Array {
  const { view, layout } = blank(key);
  writeSender(view, 0, layout.sentAt, layout.errorEstimate, packet);
  view.setBigUint64(layout.receivedAt, packet.receivedAt);
  writeSender(view, layout.senderSequence, layout.senderSentAt, layout.senderErrorEstimate, packet.sender);
  view.setUint8(layout.senderTtl, packet.senderTtl);
  return withHmac(view, key);
}

/**
 * Reads a reply. With a key only an authentic one is `ok`. The copied request is not checked: another sender may have
 * made it.
 */
export function decodeReflected(bytes: Uint8Array, key?: Uint8Array): Decoded<ReflectedPacket> {
  const opened = open(bytes, key);
  if (opened.kind === "malformed") return opened;
  const { view, layout } = opened;
  return checked({
    ...readSender(view, 0, layout.sentAt, layout.errorEstimate),
    receivedAt: view.getBigUint64(layout.receivedAt),
    sender: readSender(view, layout.senderSequence, layout.senderSentAt, layout.senderErrorEstimate),
    senderTtl: view.getUint8(layout.senderTtl),
  });
}

function blank(key: Uint8Array | undefined): { view: DataView; layout: Layout } {
  const layout = key === undefined ? UNAUTHENTICATED : AUTHENTICATED;
  return { view: new DataView(new ArrayBuffer(layout.bytes)), layout };
}

function writeSender(view: DataView, sequence: number, sentAt: number, estimate: number, packet: SenderPacket): void {
  assert(packet.errorEstimate.multiplier > 0, "an error estimate's multiplier is 1–255 (RFC 4656 §4.1.2)");
  view.setUint32(sequence, packet.sequence);
  view.setBigUint64(sentAt, packet.sentAt);
  view.setUint16(estimate, errorEstimateBits(packet.errorEstimate));
}

function readSender(view: DataView, sequence: number, sentAt: number, estimate: number): SenderPacket {
  return {
    sequence: view.getUint32(sequence),
    sentAt: view.getBigUint64(sentAt),
    errorEstimate: errorEstimateOf(view.getUint16(estimate)),
  };
}

function withHmac(view: DataView, key: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(view.buffer);
  if (key !== undefined) bytes.set(hmacOf(bytes, key), HMAC_COVERED_BYTES);
  return bytes;
}

type Opened = { kind: "ok"; view: DataView; layout: Layout } | { kind: "malformed"; reason: MalformedReason };

function open(bytes: Uint8Array, key: Uint8Array | undefined): Opened {
  const layout = key === undefined ? UNAUTHENTICATED : AUTHENTICATED;
  if (bytes.byteLength < layout.bytes) return { kind: "malformed", reason: "short" };
  if (key !== undefined && !isAuthentic(bytes, key)) return { kind: "malformed", reason: "unauthentic" };
  return { kind: "ok", view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), layout };
}

/**
 * Whether the bytes hold what only a reply has: a receive timestamp or a copied request.
 *
 * - A STAMP request has zeros there (RFC 8762 §4.2).
 * - A TWAMP Light request has padding there, which may be random (RFC 5357 §4.1.2, RFC 4656 §4.1.2). So a reply must
 *   also have the two zero bytes after the copied error estimate, as every STAMP and TWAMP reply does (RFC 8762 §4.3,
 *   RFC 5357 §4.2.1). One in 65,536 random paddings has them by chance.
 * - A reflector that sends our reply back unchanged sends these two zero bytes with it.
 */
function isReply(view: DataView, { receivedAt, senderErrorEstimate }: Layout): boolean {
  const afterEstimate = senderErrorEstimate + ERROR_ESTIMATE_BYTES;
  if (view.getUint16(afterEstimate) !== 0) return false;
  return view.getBigUint64(receivedAt) !== 0n || view.getUint16(senderErrorEstimate) !== 0;
}

function checked<Packet extends SenderPacket>(packet: Packet): Decoded<Packet> {
  if (packet.errorEstimate.multiplier === 0) return { kind: "malformed", reason: "error-estimate" };
  if (packet.errorEstimate.format === "ptp") return { kind: "malformed", reason: "timestamp-format" };
  return { kind: "ok", packet };
}

function hmacOf(bytes: Uint8Array, key: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(bytes.subarray(0, HMAC_COVERED_BYTES)).digest().subarray(0, HMAC_BYTES);
}

function isAuthentic(bytes: Uint8Array, key: Uint8Array): boolean {
  const sent = bytes.subarray(HMAC_COVERED_BYTES, HMAC_COVERED_BYTES + HMAC_BYTES);
  return timingSafeEqual(sent, hmacOf(bytes, key));
}
