/** How much one node may bring in, each limit with its arithmetic and source. */
import type { RateLimit } from "@lifeline/measure";

const NS_PER_S = 1e9;

/**
 * Reports: early seals are gathered for 100 ms (the agent's GATHER_MS), so that even 512 targets that all turn twelve
 * times in 10 s make at most 100 reports in 10 s, and their boundary one more: 10.1/s, for as long as the fault lasts.
 * A spool holds 65,536 (SPOOL_MAX_RECORDS); a fifth more for those that were on their way when a stream broke, 64 each
 * time.
 */
export const REPORT_RATE: RateLimit = { capacity: 80_000, perSecond: 11 };

/**
 * Hellos: each costs a write and a plan. An agent sends one again at most every 5 s (HELLO_CHECK_MS), and dials again
 * after waits that double to 15 s; two machines under one name put each other out no faster than 1/s for long.
 */
export const HELLO_RATE: RateLimit = { capacity: 60, perSecond: 1 };

/**
 * Incidents that are opened: one of each of 512 targets, twice over; then one every 5 s, which is 17 MB a day in the
 * store. 96 targets that all fail every eight minutes open as many.
 */
export const INCIDENT_RATE: RateLimit = { capacity: 1_024, perSecond: 0.2 };

/**
 * What the store needs for a report and its boot beside the payload, bytes: 136 and 45, measured with empty reports.
 */
export const REPORT_COST_BYTES = 192;

/** What it needs for a window's place in the index, bytes: 56, measured in the order in which windows come. */
export const WINDOW_COST_BYTES = 64;

/**
 * Windows of a target within 10 s at most: 12 early seals, 3 beside another's fault, 1 boundary (the agent's window
 * accumulator).
 */
const WINDOWS_PER_10_S = 16;

/** A window in the store, bytes: 151 to 193 encoded for TCP with one sample, and its place in the index. */
const STORED_WINDOW_BYTES = 256;

/**
 * Bytes in the store. A spool holds 384 MiB (SPOOL_MAX_BYTES) packed 3.9 to one: 1.5 GiB of payload, 12 MiB for 65,536
 * reports and, for the 3.8 million windows of 148 targets over 72 h, 0.23 GiB of index: 1.75 GiB. The rest is for what
 * is measured while it drains.
 */
export const BYTES_CAPACITY = 2 * 1024 * 1024 * 1024;

/**
 * Windows a second beside the live ones, for a spool that drains: the 2.5 million of 96 targets over 72 h take 35
 * minutes, the 3.8 million of 148 targets 50, within the hour that an agent grants (AGED_GRACE_MS). It is 2.6 % of the
 * store's thread.
 */
export const DRAIN_WINDOWS_PER_S = 1_024;

/**
 * Windows. At once: an hour and fifty minutes of 96 targets, or two seconds of the store's thread (storing a window and
 * rolling it up takes 25 µs: `npm run bench -- rollup`).
 */
export const WINDOW_RATE: RateLimit = { capacity: 64 * 1024, perSecond: DRAIN_WINDOWS_PER_S };

/**
 * Share of one core that the collector's main thread spends on one node in the long run, 0 to 1: opening, counting,
 * judging.
 */
export const TIME_SHARE = 0.05;

/**
 * Time of the main thread, ns. At once: two seconds. A node of 96 targets at rest takes 0.3 ms a second, at its worst
 * 25.
 */
export const TIME_RATE: RateLimit = { capacity: 2 * NS_PER_S, perSecond: TIME_SHARE * NS_PER_S };

/**
 * What a report costs beside the time that is measured, ns, by number and byte: the transport's share, which cannot be
 * measured by node. Of empty reports over TLS, and of the largest.
 */
export const REPORT_TIME_NS = 100_000;
export const BYTE_TIME_NS = 3;

/** Share of windows and time that is left for live reports: late ones wait while less is left. */
export const LIVE_RESERVE = 1 / 8;

/** Bytes a second beside the targets': of 11 reports, with 85 bytes of self-metrics and date each. */
export const BASE_BYTES_PER_S = 3 * 1024;

/** Bytes a second for each planned target: 410; 37 KiB/s for 91 targets whose every outcome turns without end. */
const TARGET_BYTES_PER_S = (WINDOWS_PER_10_S * STORED_WINDOW_BYTES) / 10;

/** What a node with so many planned targets may bring in for ever, bytes a second. */
export function bytesPerSecond(targets: number): number {
  return BASE_BYTES_PER_S + targets * TARGET_BYTES_PER_S;
}

/** Windows that a node with so many planned targets may bring in for ever, a second. */
export function windowsPerSecond(targets: number): number {
  return DRAIN_WINDOWS_PER_S + (targets * WINDOWS_PER_10_S) / 10;
}
