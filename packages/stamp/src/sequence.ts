/**
 * Sequence numbers of packets that can share a port with WireGuard.
 *
 * 1. Every WireGuard message begins with a type 1–4 and three zero bytes (WireGuard protocol, "Messages"; the first 32
 *    bits, little-endian, are 1–4). A firewall distinguishes the two by the first byte, so ours is never 1–4.
 * 2. A STAMP packet begins with its sequence number, big-endian. Lifeline counts from 0x80000000 to 0xffffffff and
 *    wraps to 0x80000000, so the first byte is 0x80–0xff. RFC 8762 §4.2.1 starts at zero. A reflector only copies the
 *    number, so nothing else differs.
 */
import assert from "node:assert/strict";

/** The lowest sequence number Lifeline sends. */
export const SEQUENCE_FLOOR = 0x8000_0000;

/** How many sequence numbers there are before they repeat: 2^31. */
export const SEQUENCE_COUNT = 0x8000_0000;

/** The sequence number of the `index`-th packet of a session; `index` is a non-negative integer and wraps. */
export function sequenceAt(index: number): number {
  assert(Number.isSafeInteger(index) && index >= 0, `a packet index is a non-negative integer, not ${index}`);
  return SEQUENCE_FLOOR + (index % SEQUENCE_COUNT);
}

/** Whether a datagram may be WireGuard's: its first byte is a WireGuard message type, 1–4. An empty one is not. */
export function looksLikeWireGuard(datagram: Uint8Array): boolean {
  const first = datagram[0] ?? 0;
  return first >= 1 && first <= 4;
}
