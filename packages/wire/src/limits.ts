/** Limits that both ends of the wire share (S2). A receiver refuses and counts messages that exceed them. */

/**
 * Largest gRPC message that either end accepts, bytes. A full report of {@link MAX_WINDOWS_PER_REPORT} windows has
 * under 1 MiB.
 */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Largest encoded report, bytes: with its envelope it fits into {@link MAX_MESSAGE_BYTES}. */
export const MAX_REPORT_BYTES = MAX_MESSAGE_BYTES - 1024;

/** Most targets of a node's plan: every row of the catalogue in both IP versions, and room for a fleet's own rows. */
export const MAX_TARGETS_PER_NODE = 512;

/** Most CA bundles of a plan, and the largest of them in characters (~30 certificates). */
export const MAX_CA_PEMS = 16;
export const MAX_CA_PEM_LENGTH = 65_536;

/** Most accepted HTTP statuses or ALPN names of a target. */
export const MAX_OPTIONS = 16;

/** Most documented hosts of a target: those of a catalogue, and room for those of a deployment. */
export const MAX_DOCUMENTED_HOSTS = 64;

/** Most windows in one report: a full boundary (one for each target) and as many early seals again. */
export const MAX_WINDOWS_PER_REPORT = 2 * MAX_TARGETS_PER_NODE;

/**
 * Most buckets of all sketches of one report. There are no more buckets than samples, and {@link MAX_TARGETS_PER_NODE}
 * targets make 51,200 samples in ten seconds at the shortest cadence (100 ms). A collector decodes as many in 8 ms.
 */
export const MAX_BUCKETS_PER_REPORT = 65_536;

/** Longest identifier (node id, target id, host name …), in UTF-16 units: 253 of a DNS name, a path, and a row's id. */
export const MAX_IDENTIFIER_LENGTH = 512;

/** Longest piece of evidence text. */
export const MAX_EVIDENCE_LENGTH = 256;

/** Most entries in any list of evidence. */
export const MAX_EVIDENCE_ENTRIES = 16;

/**
 * Longest text of any other kind, UTF-16 units: a request's pattern or page token, a fact of a Hello, a row's sentence.
 */
export const MAX_TEXT_LENGTH = 4_096;

/** Most rows of a page (query.proto, admin.proto). */
export const MAX_PAGE_ROWS = 10_000;

/** Bytes of a boot id: 128 random bits. */
export const BOOT_ID_BYTES = 16;

/** Latest wall time that is accepted, ms since the epoch: 2100-01-01. A clock beyond it is broken. */
export const MAX_UNIX_MS = Date.UTC(2100, 0, 1);

/** Most unknown fields in one message: four for each window, for later versions of the contract. */
export const MAX_UNKNOWN_FIELDS = 4 * MAX_WINDOWS_PER_REPORT;

/**
 * Most heap that decoding one message may take, bytes, by the estimate of wire-shape.ts. The largest that Lifeline
 * sends take 24 MB: a page of 7,864 rows (3 MiB, at 400 bytes a row) of some 2.9 kB each, and a report of 4 MiB with
 * every list of evidence full.
 */
export const MAX_DECODED_BYTES = 8 * MAX_MESSAGE_BYTES;

/** Bytes of UTF-8 that a UTF-16 unit takes at most (RFC 3629 §3: a pair takes four). */
export const UTF8_BYTES_PER_UNIT = 3;
