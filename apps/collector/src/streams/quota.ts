/**
 * What one node may bring in over all its streams: token buckets on the caller's clock. Nothing is allocated by a
 * check.
 *
 * 1. Within any t s a node brings in at most capacity + rate · t, and one report of each of its streams more: taking
 *    may leave a debt, and nothing more is taken until it is paid. That holds for reports, bytes, windows, and the time
 *    that the collector spends on them.
 * 2. Over quota nothing is refused or lost: the stream is not read, and the node's spool holds what waits (U1).
 * 3. An honest agent's live reports are never slowed: the rates are the most that its early seals allow. Its spool
 *    after the longest outage drains within the hour ({@link DRAIN_WINDOWS_PER_S}); late reports leave a reserve for
 *    live ones.
 * 4. The quota is the node's, not its stream's: a new stream refills nothing. It is dropped with the node (S2).
 */
import { TokenBucket } from "@lifeline/measure";
import {
  BASE_BYTES_PER_S,
  BYTE_TIME_NS,
  BYTES_CAPACITY,
  bytesPerSecond,
  HELLO_RATE,
  INCIDENT_RATE,
  LIVE_RESERVE,
  REPORT_COST_BYTES,
  REPORT_RATE,
  REPORT_TIME_NS,
  TIME_RATE,
  WINDOW_COST_BYTES,
  WINDOW_RATE,
  windowsPerSecond,
} from "./quota-limits.ts";

/** The quota of one node. */
export interface Quota {
  readonly reports: TokenBucket;
  readonly bytes: TokenBucket;
  readonly windows: TokenBucket;
  /** Of the main thread, ns. */
  readonly time: TokenBucket;
  readonly hellos: TokenBucket;
  readonly incidents: TokenBucket;
  /** Time of the main thread spent on it since the collector's start, ns, as far as it was measured. */
  workNs: number;
}

/** A quota of which nothing has been used. */
export function createQuota(bytesCapacity = BYTES_CAPACITY): Quota {
  return {
    reports: new TokenBucket(REPORT_RATE, 0),
    bytes: new TokenBucket({ capacity: bytesCapacity, perSecond: BASE_BYTES_PER_S }, 0),
    windows: new TokenBucket(WINDOW_RATE, 0),
    time: new TokenBucket(TIME_RATE, 0),
    hellos: new TokenBucket(HELLO_RATE, 0),
    incidents: new TokenBucket(INCIDENT_RATE, 0),
    workNs: 0,
  };
}

/**
 * How long until the next report of a node with so many planned targets may be taken, ms; 0: now. `nowNs` is monotonic.
 */
export function reportWaitMs(quota: Quota, targets: number, nowNs: number): number {
  const workMs = workWaitMs(quota, targets, nowNs, 0);
  return Math.max(quota.reports.waitMs(nowNs), quota.bytes.waitMs(nowNs, 0, bytesPerSecond(targets)), workMs);
}

/** How long until a late report that was read may be stored and judged, ms; 0: now. */
export function lateWaitMs(quota: Quota, targets: number, nowNs: number): number {
  return workWaitMs(quota, targets, nowNs, LIVE_RESERVE);
}

/** Until more than that share of the windows and of the time is left. */
function workWaitMs({ windows, time }: Quota, targets: number, nowNs: number, share: number): number {
  return Math.max(
    windows.waitMs(nowNs, share * WINDOW_RATE.capacity, windowsPerSecond(targets)),
    time.waitMs(nowNs, share * TIME_RATE.capacity),
  );
}

/** Takes a report of that size. A duplicate or refused report costs as much. */
export function spendReport({ reports, bytes, time }: Quota, payloadBytes: number): void {
  reports.spend(1);
  bytes.spend(payloadBytes + REPORT_COST_BYTES);
  time.spend(REPORT_TIME_NS + payloadBytes * BYTE_TIME_NS);
}

/** Takes all windows of a decoded report: each is work. */
export function spendWindows({ windows }: Quota, all: number): void {
  windows.spend(all);
}

/** Takes the index entries of the windows that are indexed. */
export function spendIndex({ bytes }: Quota, windows: number): void {
  bytes.spend(windows * WINDOW_COST_BYTES);
}

/** Takes time that was spent on the node, ns. */
export function spendTime(quota: Quota, tookNs: number): void {
  quota.time.spend(tookNs);
  quota.workNs += tookNs;
}

/** Takes a Hello, or says for how long none may be, ms; 0: taken. */
export function takeHello({ hellos }: Quota, nowNs: number): number {
  return hellos.take(nowNs);
}

/** Takes an incident; false: none may be opened now. */
export function takeIncident({ incidents }: Quota, nowNs: number): boolean {
  return incidents.take(nowNs) === 0;
}
