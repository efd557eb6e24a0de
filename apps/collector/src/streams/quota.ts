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
import {
  BYTE_TIME_NS,
  BYTES_CAPACITY,
  bytesPerSecond,
  HELLO_ALLOWANCE,
  INCIDENT_ALLOWANCE,
  LIVE_RESERVE,
  REPORT_ALLOWANCE,
  REPORT_COST_BYTES,
  REPORT_TIME_NS,
  TIME_CAPACITY_NS,
  TIME_SHARE,
  WINDOW_COST_BYTES,
  WINDOWS_CAPACITY,
  windowsPerSecond,
} from "./quota-limits.ts";

const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** What is left of an allowance; less than zero is a debt. */
export interface Bucket {
  left: number;
  atNs: number;
}

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

function refill(bucket: Bucket, capacity: number, perSecond: number, nowNs: number): void {
  bucket.left = Math.min(capacity, bucket.left + (perSecond * (nowNs - bucket.atNs)) / NS_PER_S);
  bucket.atNs = nowNs;
}

/** Until more than `above` is left: a whole number, which is what timers take. */
function waitMs({ left }: Bucket, perSecond: number, above = 0): number {
  return left > above ? 0 : Math.floor(((above - left) / perSecond) * MS_PER_S) + 1;
}
