/** Bounds of the connections of a listener that anybody can reach. */

/**
 * How long a connection may be without its first byte, and a handshake may take from its first turn, ms: three lost segments of a slow
 * link, by RFC 6298's 1, 2 and 4 s.
 */
export const HANDSHAKE_WITHIN_MS = 10_000;

/** How long a connection may stay unauthenticated, ms: an enrolment takes two seconds at most, and the handshakes of a site wait for each other. */
export const UNAUTHENTICATED_FOR_MS = 60_000;

/**
 * Most connections whose handshake has not begun, in all and from one source: a site of a thousand agents behind one address translator comes
 * back together. Each holds some 10 KB.
 */
export const WAITING_MAX = 4_096;
export const WAITING_PER_SOURCE_MAX = 2_048;

/**
 * Most connections whose handshake has begun and that have proven nothing, in all and from one source: a rack behind one address may enrol
 * together. Each holds some 100 KB.
 */
export const UNAUTHENTICATED_MAX = 1_024;
export const UNAUTHENTICATED_PER_SOURCE_MAX = 512;

/**
 * Bytes of a client's side of a handshake: a hello of 1.8 KB with a post-quantum key share, four certificates with RSA keys of 4,096 bits of
 * 1.8 KB each, and a signature of 0.6 KB are 9.6 KB. What is verified of twelve costs some 40 ms at worst (brainpoolP512r1).
 */
export const HANDSHAKE_BYTES = { default: 12 * 1024, min: 4 * 1024, max: 64 * 1024 };

/** Most bytes an unauthenticated connection may send after its handshake: four requests of 16 KiB, as many as it has streams, and their frames. */
export const UNAUTHENTICATED_BYTES_MAX = 72 * 1024;

/**
 * Most calls on a connection that proves nothing: an agent makes one or two to enrol, and a person's tool proves itself by the first. HTTP/2 lets
 * a peer open and reset streams as fast as it can send.
 */
export const UNAUTHENTICATED_CALLS_MAX = 32;

/**
 * Most connections under one key or token: an agent has two while it renews, and on a network that swallows packets leaves a few behind,
 * each for the eighty seconds until it is missed.
 */
export const CONNECTIONS_PER_NAME_MAX = 8;
