/** Limits that both ends of the wire share (S2). A sender keeps them; a receiver refuses and counts what does not. */

/** Largest gRPC message either end accepts, bytes: a full report of {@link MAX_WINDOWS_PER_REPORT} windows is under 1 MiB of it. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Largest encoded report, bytes: leaves the envelope room within {@link MAX_MESSAGE_BYTES}. */
export const MAX_REPORT_BYTES = MAX_MESSAGE_BYTES - 1024;

/** Most targets one node may be told to measure: every row of the catalogue, both families, with room for a fleet's own rows. */
export const MAX_TARGETS_PER_NODE = 512;

/** Most windows in one report: a full boundary (one for each target) and as many early seals again. */
export const MAX_WINDOWS_PER_REPORT = 2 * MAX_TARGETS_PER_NODE;

/** Longest identifier (node id, target id, host name …), in UTF-16 units: 253 of a DNS name, a path, and a row's id. */
export const MAX_IDENTIFIER_LENGTH = 512;

/** Longest piece of evidence text. */
export const MAX_EVIDENCE_LENGTH = 256;

/** Most entries in any list of evidence. */
export const MAX_EVIDENCE_ENTRIES = 16;

/** Bytes of a boot id: 128 random bits. */
export const BOOT_ID_BYTES = 16;

/** Latest wall time admitted, ms since the epoch: 2100-01-01, beyond which a clock is broken rather than fast. */
export const MAX_UNIX_MS = Date.UTC(2100, 0, 1);
