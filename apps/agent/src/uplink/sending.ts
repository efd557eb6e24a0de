/**
 * What to send next on one stream: live reports at once, and the backlog between them at a bounded rate.
 *
 * 1. The backlog is every report that was in the spool when the stream began, and every report of an earlier start that
 *    is found later. Both kinds go oldest first.
 * 2. Neither kind starves. When both wait they take turns, so a live report waits for one of the backlog at most. The
 *    backlog is paced and fills half of the window at most.
 * 3. A report that could not be read is read again every {@link READ_RETRY_MS}, after those not tried yet. It delays no
 *    other until {@link POSTPONED_MAX_REPORTS} of its kind wait; then no more of that kind are tried. A backlog that
 *    cannot be read delays no live report.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Spool, SpoolRecord } from "../spool/spool.ts";

/** Most reports in flight: at 10 ms a round trip 6,400 reports a second, far more than an agent makes. */
const WINDOW_MAX_REPORTS = 64;

/** Most of them that may be backlog. */
const BACKLOG_WINDOW_MAX_REPORTS = WINDOW_MAX_REPORTS / 2;

/**
 * Least time between two reports of the backlog, ms: at most 50 a second, so that live reports and other nodes have
 * room. Reports of more than 20 windows drain more slowly, because the collector's quota counts windows: 1,024 a second
 * beside the live ones. Three days of 96 targets (25,920 reports, 2.5 million windows) take about 35 minutes.
 */
export const BACKLOG_PACE_MS = 20;

/** Time between two attempts to read a report, ms: a shortage of descriptors is over in about that time. */
export const READ_RETRY_MS = 1_000;

/** Most reports of a kind that wait to be read again: at one attempt a second each, a light load on a failing disk. */
export const POSTPONED_MAX_REPORTS = 64;

/** A report that was sent and not yet acknowledged. */
export interface InFlight {
  readonly record: SpoolRecord;
  readonly isBacklog: boolean;
}

/** What to do next: send, or wait that long or until something changes. */
export type NextStep =
  | { readonly kind: "send"; readonly record: SpoolRecord; readonly isBacklog: boolean }
  | { readonly kind: "wait"; readonly timeoutMs: number };

/** How long to wait where only a change can give something to do, ms. */
const IDLE_MS = 60_000;

/** Live reports, or the backlog. */
interface Lane {
  readonly isBacklog: boolean;
  /** Every record up to this ordinal was returned, or belongs to the other lane. */
  cursor: number;
  /** In the order they are due. */
  readonly postponed: { readonly record: SpoolRecord; readonly dueNs: number }[];
}

/** The order in which one stream sends. What the spool holds when it is made is the backlog. */
export class Sending {
  readonly #spool: Pick<Spool, "nextAfter" | "nextOrdinal">;
  readonly #clock: Clock;
  readonly #firstLive: number;
  readonly #live: Lane;
  readonly #backlog: Lane = { isBacklog: true, cursor: -1, postponed: [] };
  /** Monotonic time of the next report of the backlog, ns. */
  #paceNs = 0;
  #liveWasLast = false;

  constructor(spool: Pick<Spool, "nextAfter" | "nextOrdinal">, clock: Clock) {
    this.#spool = spool;
    this.#clock = clock;
    this.#firstLive = spool.nextOrdinal();
    this.#live = { isBacklog: false, cursor: this.#firstLive - 1, postponed: [] };
  }

  next(inFlight: ReadonlyMap<string, InFlight>): NextStep {
    if (inFlight.size >= WINDOW_MAX_REPORTS) return { kind: "wait", timeoutMs: IDLE_MS };
    const liveLeftMs = this.#leftMs(this.#live);
    const hasRoom = countBacklog(inFlight) < BACKLOG_WINDOW_MAX_REPORTS;
    const paceLeftMs = (this.#paceNs - this.#clock.monotonicNs()) / NS_PER_MS;
    const backlogLeftMs = hasRoom ? Math.max(this.#leftMs(this.#backlog), paceLeftMs) : IDLE_MS;
    if (liveLeftMs <= 0 && !(backlogLeftMs <= 0 && this.#liveWasLast)) return this.#take(this.#live);
    if (backlogLeftMs <= 0) return this.#take(this.#backlog);
    return { kind: "wait", timeoutMs: Math.ceil(Math.min(liveLeftMs, backlogLeftMs)) };
  }

  /** Notes that the report from `next` could not be read. `next` returns it again later. */
  postpone(record: SpoolRecord, isBacklog: boolean): void {
    const { postponed } = isBacklog ? this.#backlog : this.#live;
    postponed.push({ record, dueNs: this.#clock.monotonicNs() + READ_RETRY_MS * NS_PER_MS });
  }

  #untried(lane: Lane): SpoolRecord | undefined {
    if (lane.postponed.length >= POSTPONED_MAX_REPORTS) return undefined;
    for (;;) {
      const record = this.#spool.nextAfter(lane.cursor);
      if (record === undefined) return undefined;
      if ((record.ordinal < this.#firstLive || record.isRecovered) === lane.isBacklog) return record;
      lane.cursor = record.ordinal;
    }
  }

  /** Time until a report of the lane may be sent, ms; 0 or less: now. */
  #leftMs(lane: Lane): number {
    if (this.#untried(lane) !== undefined) return 0;
    const [again] = lane.postponed;
    return again === undefined ? IDLE_MS : (again.dueNs - this.#clock.monotonicNs()) / NS_PER_MS;
  }

  #take(lane: Lane): NextStep {
    const record = this.#untried(lane) ?? lane.postponed.shift()?.record;
    if (record === undefined) return { kind: "wait", timeoutMs: IDLE_MS };
    // A report that is read again lies before the cursor.
    lane.cursor = Math.max(lane.cursor, record.ordinal);
    this.#liveWasLast = !lane.isBacklog;
    if (lane.isBacklog) this.#paceNs = this.#clock.monotonicNs() + BACKLOG_PACE_MS * NS_PER_MS;
    return { kind: "send", record, isBacklog: lane.isBacklog };
  }
}

function countBacklog(inFlight: ReadonlyMap<string, InFlight>): number {
  let count = 0;
  for (const { isBacklog } of inFlight.values()) if (isBacklog) count += 1;
  return count;
}
