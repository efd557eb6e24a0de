/**
 * Test packets longer than their base packet, to probe a path with a packet size.
 *
 * 1. One Extra Padding TLV (RFC 8972 §4.1) with zeros follows the base packet. Where fewer bytes are left than the four
 *    of a TLV's header, only zeros follow.
 * 2. A reply copies these bytes, so it is exactly as long as its request. They are never read, so the HMAC of the base
 *    packet (RFC 8762 §4.4), which does not cover them, protects everything that is.
 */
import assert from "node:assert/strict";

/** Header of a TLV: flags, type and 16 bits of length (RFC 8972 §4, figure 5). */
const TLV_HEADER_BYTES = 4;
/** U flag, set by the sender of every TLV (RFC 8972 §4). */
const TLV_UNRECOGNISED_FLAG = 0x80;
/** Extra Padding (RFC 8972 §5.1). */
const TLV_EXTRA_PADDING = 1;

/** `packet`, padded to `bytes`: from its own length to 65,507. Asserts that. */
export function padded(packet: Uint8Array, bytes: number): Uint8Array {
  assert(
    bytes >= packet.byteLength && bytes <= 65_507,
    `a padded packet has ${packet.byteLength}–65507 bytes, not ${bytes}`,
  );
  const whole = new Uint8Array(bytes);
  whole.set(packet);
  const extraBytes = bytes - packet.byteLength;
  if (extraBytes < TLV_HEADER_BYTES) return whole;
  const view = new DataView(whole.buffer, packet.byteLength);
  view.setUint8(0, TLV_UNRECOGNISED_FLAG);
  view.setUint8(1, TLV_EXTRA_PADDING);
  view.setUint16(2, extraBytes - TLV_HEADER_BYTES);
  return whole;
}

/**
 * `reply`, padded to the length of its request with the bytes of the request. Asserts that the request is not shorter.
 */
export function paddedLike(reply: Uint8Array, request: Uint8Array): Uint8Array {
  assert(request.byteLength >= reply.byteLength, "a reply is never longer than its request");
  const whole = request.slice();
  whole.set(reply);
  return whole;
}
