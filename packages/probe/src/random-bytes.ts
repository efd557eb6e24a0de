/** Random bytes from a world's randomness (M2). */

/** `count` bytes; `random` is uniform in [0, 1). */
export function randomBytes(random: () => number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

/** 64 random bits: the transmit timestamp of an NTP request, which its answer must repeat. */
export function randomNonce(random: () => number): bigint {
  return new DataView(randomBytes(random, 8).buffer).getBigUint64(0);
}
