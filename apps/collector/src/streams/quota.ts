/**
 * What one node may bring in, whoever speaks for it: token buckets on the caller's clock. Pure: the buckets are plain numbers of the
 * node's, and nothing is allocated when one is asked.
 *
 * 1. Over any time of t s a node brings in at most capacity + rate · t, and one report of each of its streams more: what is taken may leave
 *    a debt, and nothing more is taken until it is paid. That holds for reports, bytes, windows, and the time that the collector spends on them.
 * 2. Over quota nothing is refused or lost: the stream is not read on, and the node's spool holds what waits (U1).
 * 3. An honest agent's live reports are never slowed: the rates are the most that its early seals allow. Its spool after the longest
 *    outage drains within the hour ({@link DRAIN_WINDOWS_PER_S}); late reports leave a reserve for live ones.
 * 4. The quota is the node's, not its stream's: to come again refills nothing. It is forgotten with the node (S2).
 */
const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** How much may be taken at once when nothing was for long, and how fast it comes back. */
export interface Allowance {
  readonly capacity: number;
  readonly perSecond: number;
}

/** What is left of an allowance; less than zero is a debt. */
export interface Bucket {
  left: number;
  atNs: number;
}

/**
 * Reports: early seals are gathered for 100 ms (the agent's GATHER_MS), so that even 512 targets that all turn twelve times in 10 s make
 * at most 100 reports in 10 s, and their boundary one more: 10.1/s, for as long as the fault lasts. A spool holds 65,536
 * (SPOOL_MAX_RECORDS); a fifth more for those that were on their way when a stream broke, 64 each time.
 */
export const REPORT_ALLOWANCE: Allowance = { capacity: 80_000, perSecond: 11 };

/**
 * Hellos: each costs a write and a plan. An agent says one again at most every 5 s (HELLO_CHECK_MS), and comes again after waits that
 * double to 15 s; two machines under one name put each other out no faster than 1/s for long.
 */
export const HELLO_ALLOWANCE: Allowance = { capacity: 60, perSecond: 1 };

/**
 * Incidents that are opened: one of each of 512 targets, twice over; then one every 5 s, which is 17 MB a day in the store. 96 targets that
 * all fail every eight minutes open as many.
 */
export const INCIDENT_ALLOWANCE: Allowance = { capacity: 1_024, perSecond: 0.2 };

/** What the store needs for a report and its boot beside the payload, bytes: 136 and 45, measured with empty reports. */
export const REPORT_COST_BYTES = 192;

/** What it needs for a window's place in the index, bytes: 56, measured in the order in which windows come. */
export const WINDOW_COST_BYTES = 64;

/** Windows of a target within 10 s at most: 12 early seals, 3 beside another's fault, 1 boundary (the agent's tally). */
const WINDOWS_PER_10_S = 16;

/** A window in the store, bytes: 151 to 193 encoded for TCP with one sample, and its place in the index. */
const WINDOW_BYTES = 256;

/**
 * Bytes in the store. A spool holds 384 MiB (SPOOL_MAX_BYTES) packed 3.9 to one: 1.5 GiB of payload, 12 MiB for 65,536 reports and, for
 * the 3.8 million windows of 148 targets over 72 h, 0.23 GiB of index: 1.75 GiB. The rest is for what is measured while it drains.
 */
export const BYTES_CAPACITY = 2 * 1024 * 1024 * 1024;

/**
 * Windows that may be taken at once: an hour and fifty minutes of 96 targets, or two seconds of the store's thread (storing a window and
 * rolling it up takes 25 µs: `npm run bench -- rollup`).
 */
export const WINDOWS_CAPACITY = 64 * 1024;

/**
 * Windows a second beside the live ones, for whoever drains a spool: the 2.5 million of 96 targets over 72 h take 35 minutes, the 3.8
 * million of 148 targets 50, within the hour that an agent grants (AGED_GRACE_MS). It is 2.6 % of the store's thread.
 */
export const DRAIN_WINDOWS_PER_S = 1_024;

/** Share of one core that the collector's main thread spends on one node for ever, 0 to 1: opening, counting, judging. */
export const TIME_SHARE = 0.05;

/** What it may spend at once, ns: two seconds. A node of 96 targets at rest takes 0.3 ms a second, at its worst 25. */
export const TIME_CAPACITY_NS = 2 * NS_PER_S;

/**
 * What a report costs beside the time that is measured, ns, by number and byte: the transport's share, which cannot be told by node. Of
 * empty reports over TLS, and of the largest.
 */
export const REPORT_TIME_NS = 100_000;
export const BYTE_TIME_NS = 3;

/** Share of windows and time that is left for live reports: late ones wait while less is left. */
export const LIVE_RESERVE = 1 / 8;

/** Bytes a second beside the targets': of 11 reports, with 85 bytes of vitals and date each. */
export const BASE_BYTES_PER_S = 3 * 1024;

/** Bytes a second for each planned target: 410; 37 KiB/s for 91 targets whose every outcome turns without end. */
export const TARGET_BYTES_PER_S = (WINDOWS_PER_10_S * WINDOW_BYTES) / 10;

/** The quota of one node. */
export interface Quota {
  /** Bytes in the store that may be taken at once. */
  readonly bytesCapacity: number;
  readonly reports: Bucket;
  readonly bytes: Bucket;
  readonly windows: Bucket;
  /** Of the main thread, ns. */
  readonly time: Bucket;
  readonly hellos: Bucket;
  readonly incidents: Bucket;
  /** Time of the main thread spent on it since the collector's start, ns, as far as it was measured. */
  workNs: number;
  /** Whether its last report had to wait. */
  isThrottled: boolean;
}

/** A quota of which nothing has been used. */
export function createQuota(bytesCapacity = BYTES_CAPACITY): Quota {
  return {
    bytesCapacity,
    reports: { left: REPORT_ALLOWANCE.capacity, atNs: 0 },
    bytes: { left: bytesCapacity, atNs: 0 },
    windows: { left: WINDOWS_CAPACITY, atNs: 0 },
    time: { left: TIME_CAPACITY_NS, atNs: 0 },
    hellos: { left: HELLO_ALLOWANCE.capacity, atNs: 0 },
    incidents: { left: INCIDENT_ALLOWANCE.capacity, atNs: 0 },
    workNs: 0,
    isThrottled: false,
  };
}

/** How long until the next report of a node with so many planned targets may be taken, ms; 0: now. `nowNs` is monotonic. */
export function reportWaitMs(quota: Quota, targets: number, nowNs: number): number {
  const { reports, bytes, bytesCapacity } = quota;
  const bytesPerS = bytesPerSecond(targets);
  refill(reports, REPORT_ALLOWANCE.capacity, REPORT_ALLOWANCE.perSecond, nowNs);
  refill(bytes, bytesCapacity, bytesPerS, nowNs);
  const workMs = workWaitMs(quota, targets, nowNs, 0);
  return Math.max(waitMs(reports, REPORT_ALLOWANCE.perSecond), waitMs(bytes, bytesPerS), workMs);
}

/** How long until a late report that was read may be stored and judged, ms; 0: now. */
export function lateWaitMs(quota: Quota, targets: number, nowNs: number): number {
  return workWaitMs(quota, targets, nowNs, LIVE_RESERVE);
}

/** Until more than that share of the windows and of the time is left. */
function workWaitMs({ windows, time }: Quota, targets: number, nowNs: number, share: number): number {
  const windowsPerS = windowsPerSecond(targets);
  const timePerS = TIME_SHARE * NS_PER_S;
  refill(windows, WINDOWS_CAPACITY, windowsPerS, nowNs);
  refill(time, TIME_CAPACITY_NS, timePerS, nowNs);
  return Math.max(
    waitMs(windows, windowsPerS, share * WINDOWS_CAPACITY),
    waitMs(time, timePerS, share * TIME_CAPACITY_NS),
  );
}

/** Takes a report of that size, whatever becomes of it: one that comes again, or is refused, costs as much. */
export function spendReport({ reports, bytes, time }: Quota, payloadBytes: number): void {
  reports.left -= 1;
  bytes.left -= payloadBytes + REPORT_COST_BYTES;
  time.left -= REPORT_TIME_NS + payloadBytes * BYTE_TIME_NS;
}

/** Takes a report's windows, known once it is open: all of them, for each is work. */
export function spendWindows({ windows }: Quota, all: number): void {
  windows.left -= all;
}

/** Takes the index of the windows that the store has a place for. */
export function spendIndex({ bytes }: Quota, windows: number): void {
  bytes.left -= windows * WINDOW_COST_BYTES;
}

/** Takes time that was spent on the node, ns. */
export function spendTime(quota: Quota, tookNs: number): void {
  quota.time.left -= tookNs;
  quota.workNs += tookNs;
}

/** Takes a Hello, or says for how long none may be, ms; 0: taken. */
export function takeHello({ hellos }: Quota, nowNs: number): number {
  refill(hellos, HELLO_ALLOWANCE.capacity, HELLO_ALLOWANCE.perSecond, nowNs);
  if (hellos.left < 1) return ((1 - hellos.left) / HELLO_ALLOWANCE.perSecond) * MS_PER_S;
  hellos.left -= 1;
  return 0;
}

/** Takes an incident; false: none may be opened now. */
export function takeIncident({ incidents }: Quota, nowNs: number): boolean {
  refill(incidents, INCIDENT_ALLOWANCE.capacity, INCIDENT_ALLOWANCE.perSecond, nowNs);
  if (incidents.left < 1) return false;
  incidents.left -= 1;
  return true;
}

/** What a node with so many planned targets may bring in for ever, bytes a second. */
export function bytesPerSecond(targets: number): number {
  return BASE_BYTES_PER_S + targets * TARGET_BYTES_PER_S;
}

/** Windows that a node with so many planned targets may bring in for ever, a second. */
export function windowsPerSecond(targets: number): number {
  return DRAIN_WINDOWS_PER_S + (targets * WINDOWS_PER_10_S) / 10;
}

function refill(bucket: Bucket, capacity: number, perSecond: number, nowNs: number): void {
  bucket.left = Math.min(capacity, bucket.left + (perSecond * (nowNs - bucket.atNs)) / NS_PER_S);
  bucket.atNs = nowNs;
}

/** Until more than `above` is left: a whole number, which is what timers take. */
function waitMs({ left }: Bucket, perSecond: number, above = 0): number {
  return left > above ? 0 : Math.floor(((above - left) / perSecond) * MS_PER_S) + 1;
}
