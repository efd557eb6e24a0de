/** Every bound of the spool, each with its arithmetic. */

/**
 * Default bound on disk, bytes. The default plan of a node with IPv4 and IPv6 has 96 targets (catalogue v1.14); packed,
 * a target takes some 37 kB an hour while it is well and 13 kB while it fails (`npm run bench -- spool`), so 72 h of it
 * are 96 × 72 × 37 kB = 256 MB. 384 MiB are that with half as much to spare, for early seals and a fleet's own rows.
 */
export const SPOOL_MAX_BYTES = 384 * 1024 * 1024;

/** Default bound on age, hours: a long weekend. */
export const SPOOL_MAX_AGE_HOURS = 72;

/**
 * How long a report that seems too old at a start is kept none the less, ms, or half the bound on age where that is
 * shorter: an hour, in which a collector that can be reached takes three days' reports.
 */
export const AGED_GRACE_MS = 3_600_000;

/**
 * Most records: 72 h of a report every 10 s are 25,920; the rest is for early seals. At ~160 bytes of index each, 10
 * MiB. A network that loses one packet in twenty on every target's way seals 21,000 an hour, and is held for three.
 */
export const SPOOL_MAX_RECORDS = 65_536;

/** Largest segment, bytes: what is dropped at a time is a sixteenth of the spool, and at most this. */
export const SEGMENT_MAX_BYTES = 1024 * 1024;

/** How many segments a spool smaller than sixteen of {@link SEGMENT_MAX_BYTES} is cut into. */
export const SEGMENTS_MIN = 16;

/** Most records of a segment. */
export const SEGMENT_MAX_RECORDS = 1_024;

/** Most bytes that wait in memory while the disk refuses: some seventy minutes of 96 targets. */
export const MEMORY_MAX_BYTES = 4 * 1024 * 1024;

/** Most reports that wait in memory: 22 h of one every 10 s, at ~200 bytes beside their own. */
export const MEMORY_MAX_REPORTS = 8_192;

/**
 * How long a report waits for a disk that does not answer, ms: a window, so that at most one report waits; then it is
 * as one that refused.
 */
export const DISK_HANGS_MS = 10_000;

/** How often a disk that refused is tried again, and a segment that could not be read, ms. */
export const DISK_RETRY_MS = 30_000;

/**
 * Most segments: a start every minute for 72 h makes 4,320 small ones. Each takes up to a file system's block (4 KiB)
 * more than its bytes, and so do its acknowledgements: 32 MiB in all.
 */
export const SEGMENTS_MAX = 4_096;
