/** Bounds of the connections of a public listener. */

/**
 * Timeout of a connection's first byte, and of a handshake from its first turn, ms: three lost segments of a slow link,
 * which RFC 6298 sends again after 1, 2 and 4 s.
 */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * How long a connection may stay unauthenticated, ms. An enrolment takes two seconds at most, and the handshakes of a
 * site wait for each other.
 */
export const UNAUTHENTICATED_TIMEOUT_MS = 60_000;

/**
 * Most connections whose handshake has not begun, in all and from one source: a site of a thousand agents behind one
 * NAT reconnects at once. Each takes some 10 KB.
 */
export const WAITING_MAX = 4_096;
export const WAITING_PER_SOURCE_MAX = 2_048;

/**
 * Most connections whose handshake has begun and that are unauthenticated, in all and from one source: a rack behind
 * one address may enrol at once. Each takes some 100 KB.
 */
export const UNAUTHENTICATED_MAX = 1_024;
export const UNAUTHENTICATED_PER_SOURCE_MAX = 512;

/**
 * Most bytes that a client sends in a handshake: a ClientHello of 1.8 KB with a post-quantum key share, four
 * certificates of 1.8 KB with RSA keys of 4,096 bits, and a signature of 0.6 KB are 9.6 KB. Verifying a chain of 12 KB
 * takes some 40 ms at worst (brainpoolP512r1).
 */
export const HANDSHAKE_BYTES = { default: 12 * 1024, min: 4 * 1024, max: 64 * 1024 };

/**
 * Most bytes that an unauthenticated connection may send after its handshake: a request of 16 KiB on each of its four
 * streams, and their frames.
 */
export const UNAUTHENTICATED_BYTES_MAX = 72 * 1024;

/**
 * Most calls on an unauthenticated connection: an agent makes one or two to enrol, and a person's tool authenticates
 * with its first. HTTP/2 lets a peer open and reset streams as fast as it can send.
 */
export const UNAUTHENTICATED_CALLS_MAX = 32;

/**
 * Most connections of one key or token. An agent has two while it renews. On a network that drops packets it leaves a
 * few behind, each until keepalive detects it after eighty seconds.
 */
export const CONNECTIONS_PER_NAME_MAX = 8;
