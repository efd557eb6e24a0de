/**
 * What to send next on one stream: live reports at once, those from before at a bounded rate between them.
 *
 * 1. Reports that were there when the stream began are its backlog; they go oldest first.
 * 2. A report that could not be read is tried again every {@link READ_RETRY_MS}, and holds up no other until
 *    {@link POSTPONED_MAX_REPORTS} are: then it is the disk, and nothing else is tried.
 * 3. Neither starves: with both waiting they take turns, and the backlog is paced and may fill half of the window only.
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

/** Reports that could not be read and wait for another try, at most: at one try a second each, a harmless load on a sick disk. */
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

/** Starts the order of a stream: what the spool holds now is its backlog. */
export function createSending(spool: Pick<Spool, "nextAfter" | "nextOrdinal">, clock: Clock): Sending {
  const firstLive = spool.nextOrdinal();
  let backlogCursor = -1;
  let liveCursor = firstLive - 1;
  let paceNs = 0;
  let liveWasLast = false;
  /** In the order they are due. */
  const postponed: (InFlight & { readonly dueNs: number })[] = [];

  const nextBacklog = () => {
    const record = backlogCursor >= firstLive - 1 ? undefined : spool.nextAfter(backlogCursor);
    if (record !== undefined && record.ordinal < firstLive) return record;
    backlogCursor = firstLive - 1;
    return undefined;
  };

  return {
    next(inFlight) {
      if (inFlight.size >= WINDOW_MAX_REPORTS) return { kind: "wait", timeoutMs: IDLE_MS };
      const [again] = postponed;
      const againLeftMs = again === undefined ? IDLE_MS : (again.dueNs - clock.monotonicNs()) / NS_PER_MS;
      if (again !== undefined && againLeftMs <= 0) {
        postponed.shift();
        return { kind: "send", record: again.record, isBacklog: again.isBacklog };
      }
      if (postponed.length >= POSTPONED_MAX_REPORTS) return { kind: "wait", timeoutMs: Math.ceil(againLeftMs) };
      const live = spool.nextAfter(liveCursor);
      const backlog = nextBacklog();
      const paceLeftMs = (paceNs - clock.monotonicNs()) / NS_PER_MS;
      const backlogHasRoom = backlog !== undefined && countBacklog(inFlight) < BACKLOG_WINDOW_MAX_REPORTS;
      const backlogMayGo = backlogHasRoom && paceLeftMs <= 0;
      if (live !== undefined && !(backlogMayGo && liveWasLast)) {
        liveCursor = live.ordinal;
        liveWasLast = true;
        return { kind: "send", record: live, isBacklog: false };
      }
      if (backlog !== undefined && backlogMayGo) {
        backlogCursor = backlog.ordinal;
        paceNs = clock.monotonicNs() + BACKLOG_PACE_MS * NS_PER_MS;
        liveWasLast = false;
        return { kind: "send", record: backlog, isBacklog: true };
      }
      const leftMs = backlogHasRoom ? Math.min(paceLeftMs, againLeftMs) : againLeftMs;
      return { kind: "wait", timeoutMs: Math.ceil(leftMs) };
    },
    postpone(record, isBacklog) {
      postponed.push({ record, isBacklog, dueNs: clock.monotonicNs() + READ_RETRY_MS * NS_PER_MS });
    },
  };
}

function countBacklog(inFlight: ReadonlyMap<string, InFlight>): number {
  let count = 0;
  for (const { isBacklog } of inFlight.values()) if (isBacklog) count += 1;
  return count;
}
