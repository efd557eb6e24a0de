/**
 * What one node may bring in, whoever speaks for it: token buckets on the caller's clock. Pure: the buckets are plain numbers of the
 * node's, and nothing is allocated when one is asked.
 *
 * 1. Over any time of t s a node brings in at most capacity + rate · t, and one report more: what is taken may leave a debt, and nothing
 *    more is taken until it is paid.
 * 2. Over quota nothing is refused or lost: the stream is not read on, and the node's spool holds what waits (U1).
 * 3. An honest agent is never slowed: the rates are the most that its early seals allow, the capacities hold its whole spool.
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
  readonly hellos: Bucket;
  /** Whether its last report had to wait. */
  isThrottled: boolean;
}

/** A quota of which nothing has been used. */
export function createQuota(bytesCapacity = BYTES_CAPACITY): Quota {
  return {
    bytesCapacity,
    reports: { left: REPORT_ALLOWANCE.capacity, atNs: 0 },
    bytes: { left: bytesCapacity, atNs: 0 },
    hellos: { left: HELLO_ALLOWANCE.capacity, atNs: 0 },
    isThrottled: false,
  };
}

/** How long until the next report of a node with so many planned targets may be taken, ms; 0: now. `nowNs` is monotonic. */
export function reportWaitMs({ reports, bytes, bytesCapacity }: Quota, targets: number, nowNs: number): number {
  const bytesPerS = bytesPerSecond(targets);
  refill(reports, REPORT_ALLOWANCE.capacity, REPORT_ALLOWANCE.perSecond, nowNs);
  refill(bytes, bytesCapacity, bytesPerS, nowNs);
  return Math.max(waitMs(reports, REPORT_ALLOWANCE.perSecond), waitMs(bytes, bytesPerS));
}

/** Takes a report of that size, whatever becomes of it: one that comes again costs as much. */
export function spendReport({ reports, bytes }: Quota, payloadBytes: number): void {
  reports.left -= 1;
  bytes.left -= payloadBytes + REPORT_COST_BYTES;
}

/** Takes the index of a report's windows, known once it is open. */
export function spendWindows({ bytes }: Quota, windows: number): void {
  bytes.left -= windows * WINDOW_COST_BYTES;
}

/** Takes a Hello, or says for how long none may be, ms; 0: taken. */
export function takeHello({ hellos }: Quota, nowNs: number): number {
  refill(hellos, HELLO_ALLOWANCE.capacity, HELLO_ALLOWANCE.perSecond, nowNs);
  if (hellos.left < 1) return ((1 - hellos.left) / HELLO_ALLOWANCE.perSecond) * MS_PER_S;
  hellos.left -= 1;
  return 0;
}

/** What a node with so many planned targets may bring in for ever, bytes a second. */
export function bytesPerSecond(targets: number): number {
  return BASE_BYTES_PER_S + targets * TARGET_BYTES_PER_S;
}

function refill(bucket: Bucket, capacity: number, perSecond: number, nowNs: number): void {
  bucket.left = Math.min(capacity, bucket.left + (perSecond * (nowNs - bucket.atNs)) / NS_PER_S);
  bucket.atNs = nowNs;
}

/** Until something is left: a whole number, which is what timers take. */
function waitMs({ left }: Bucket, perSecond: number): number {
  return left > 0 ? 0 : Math.floor((-left / perSecond) * MS_PER_S) + 1;
}
