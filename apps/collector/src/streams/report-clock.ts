/** What a message says of its sender's clock. */
import { MAX_UNIX_MS, type Report, type reportPb } from "@lifeline/wire";
import { nextOffsetMs } from "../fleet/clock-offset.ts";

/**
 * The agent's wall clock when it sent a message, ms since the epoch; undefined when it does not say, or says what no
 * clock does.
 */
export function sentAtMsOf({ sentUnixMs }: Pick<reportPb.Hello, "sentUnixMs">): number | undefined {
  return sentUnixMs > 0n && sentUnixMs <= BigInt(MAX_UNIX_MS) ? Number(sentUnixMs) : undefined;
}

/** A report and what is known of how it arrived. */
interface TimedReport {
  /** The node's offset before it, ms; undefined: not known. */
  readonly keptMs: number | undefined;
  /** When the agent sent it, by its own clock; undefined: it does not say. */
  readonly sentMs: number | undefined;
  /** When it arrived, by the collector's clock. */
  readonly receivedMs: number;
  readonly sealedAtMs: Report["sealedAtMs"];
  /** Dated more than a day ahead (admission). */
  readonly isAhead: boolean;
  /** The collector may have read it late, because it held the stream back. */
  readonly mayBeDelayed: boolean;
}

/**
 * The node's clock offset after a report, ms. A report that may be delayed only says how far the clock is behind at
 * most. An agent that does not say when it sent is at least as far ahead as its report is dated ahead, up to a day.
 */
export function offsetAfterReport(report: TimedReport): number | undefined {
  const { keptMs, sentMs, receivedMs, sealedAtMs, isAhead, mayBeDelayed } = report;
  if (sentMs === undefined) {
    const aheadMs = Math.round(sealedAtMs - receivedMs);
    return aheadMs > 0 && !isAhead ? Math.min(keptMs ?? 0, -aheadMs) : keptMs;
  }
  const isMoreThanKept = keptMs !== undefined && receivedMs - sentMs > keptMs;
  return mayBeDelayed && isMoreThanKept ? keptMs : nextOffsetMs(keptMs, sentMs, receivedMs);
}
