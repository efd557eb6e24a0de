/**
 * What to send next on one stream: live reports at once, those from before at a bounded rate between them.
 *
 * 1. Reports that were there when the stream began, and those of earlier starts that are found later, are its backlog; they go oldest
 *    first.
 * 2. Neither starves: with both waiting they take turns, so a live report waits for one of the backlog at most; the backlog is paced and
 *    may fill half of the window only.
 * 3. A report that could not be read is tried again every {@link READ_RETRY_MS}, behind those not tried yet, and holds up no other until
 *    {@link POSTPONED_MAX_REPORTS} of its kind are: then no more of that kind are tried. A backlog that cannot be read holds up no live
 *    report.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Spool, SpoolRecord } from "../spool/spool.ts";

/** Reports sent and not yet acknowledged, at most: at 10 ms a round trip 6,400 reports a second, far more than is made. */
export const WINDOW_MAX_REPORTS = 64;

/** How many of them may be backlog. */
export const BACKLOG_WINDOW_MAX_REPORTS = WINDOW_MAX_REPORTS / 2;

/** Least time between two reports of the backlog, ms: 50 a second, so that three days (25,920 reports) drain in nine minutes. */
export const BACKLOG_PACE_MS = 20;

/** How long a report that could not be read is left alone, ms: a shortage of descriptors is over in about that time. */
export const READ_RETRY_MS = 1_000;

/** Reports of a kind that could not be read and wait for another try, at most: at one try a second each, a harmless load on a sick disk. */
export const POSTPONED_MAX_REPORTS = 64;

/** A report on its way. */
export interface InFlight {
  readonly record: SpoolRecord;
  readonly isBacklog: boolean;
}

/** What to do next: send, or wait so long (or until something changes). */
export type NextStep =
  | { readonly kind: "send"; readonly record: SpoolRecord; readonly isBacklog: boolean }
  | { readonly kind: "wait"; readonly timeoutMs: number };

/** The order of one stream. */
export interface Sending {
  next(inFlight: ReadonlyMap<string, InFlight>): NextStep;
  /** The report that `next` gave could not be read: it is given again later. */
  postpone(record: SpoolRecord, isBacklog: boolean): void;
}

/** Nothing to do until something changes: as long as a timer conveniently waits, ms. */
const IDLE_MS = 60_000;

/** Live reports, or the backlog. */
interface Lane {
  readonly isBacklog: boolean;
  /** The ordinal up to which everything has been given, or was none of this lane's. */
  cursor: number;
  /** In the order they are due. */
  readonly postponed: { readonly record: SpoolRecord; readonly dueNs: number }[];
}

/** Starts the order of a stream: what the spool holds now is its backlog. */
export function createSending(spool: Pick<Spool, "nextAfter" | "nextOrdinal">, clock: Clock): Sending {
  const firstLive = spool.nextOrdinal();
  const live: Lane = { isBacklog: false, cursor: firstLive - 1, postponed: [] };
  const backlog: Lane = { isBacklog: true, cursor: -1, postponed: [] };
  let paceNs = 0;
  let liveWasLast = false;

  const untried = (lane: Lane): SpoolRecord | undefined => {
    if (lane.postponed.length >= POSTPONED_MAX_REPORTS) return undefined;
    for (;;) {
      const record = spool.nextAfter(lane.cursor);
      if (record === undefined || (record.ordinal < firstLive || record.isRecovered) === lane.isBacklog) return record;
      lane.cursor = record.ordinal;
    }
  };

  /** How long until a report of the lane may be tried, ms: 0 or less is now. */
  const leftMs = (lane: Lane): number => {
    if (untried(lane) !== undefined) return 0;
    const [again] = lane.postponed;
    return again === undefined ? IDLE_MS : (again.dueNs - clock.monotonicNs()) / NS_PER_MS;
  };

  const take = (lane: Lane): NextStep => {
    const record = untried(lane) ?? lane.postponed.shift()?.record;
    if (record === undefined) return { kind: "wait", timeoutMs: IDLE_MS };
    // One that is tried again lies before the cursor.
    lane.cursor = Math.max(lane.cursor, record.ordinal);
    liveWasLast = !lane.isBacklog;
    if (lane.isBacklog) paceNs = clock.monotonicNs() + BACKLOG_PACE_MS * NS_PER_MS;
    return { kind: "send", record, isBacklog: lane.isBacklog };
  };

  return {
    next(inFlight) {
      if (inFlight.size >= WINDOW_MAX_REPORTS) return { kind: "wait", timeoutMs: IDLE_MS };
      const liveLeftMs = leftMs(live);
      const hasRoom = countBacklog(inFlight) < BACKLOG_WINDOW_MAX_REPORTS;
      const paceLeftMs = (paceNs - clock.monotonicNs()) / NS_PER_MS;
      const backlogLeftMs = hasRoom ? Math.max(leftMs(backlog), paceLeftMs) : IDLE_MS;
      if (liveLeftMs <= 0 && !(backlogLeftMs <= 0 && liveWasLast)) return take(live);
      if (backlogLeftMs <= 0) return take(backlog);
      return { kind: "wait", timeoutMs: Math.ceil(Math.min(liveLeftMs, backlogLeftMs)) };
    },
    postpone(record, isBacklog) {
      const { postponed } = isBacklog ? backlog : live;
      postponed.push({ record, dueNs: clock.monotonicNs() + READ_RETRY_MS * NS_PER_MS });
    },
  };
}

function countBacklog(inFlight: ReadonlyMap<string, InFlight>): number {
  let count = 0;
  for (const { isBacklog } of inFlight.values()) if (isBacklog) count += 1;
  return count;
}
