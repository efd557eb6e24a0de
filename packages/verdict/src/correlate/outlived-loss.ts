/** Losses in the tunnel from before it recovered. */
import { isSilence, LATE_WATCH_MS } from "@lifeline/measure";
import { type Entry, isAnswering, isAt } from "../entry.ts";
import { timeOfDay } from "../phrase.ts";

/** Losses in a row that are an outage, and not loss (thresholds.ts, lossRunLength). */
const OUTAGE_MIN_LENGTH = 3;

/**
 * A target that has not been tried since the tunnel recovered says nothing about now: its losses are those of the
 * outage (M4). Targets with a faster cadence answer first.
 */
export function withOutlivedLoss(entry: Entry, entries: readonly Entry[]): Entry {
  const { own, target, verdict } = entry;
  if (verdict !== "unmet" || !isAt(entry, "in-tunnel") || own.seen === undefined) return entry;
  const watchedMs = isSilence(own.seen.reason) ? LATE_WATCH_MS : 0;
  const triedAtMs = own.seen.endedAtMs - target.timeoutMs - watchedMs;
  const recovered = entries.filter((other) => isAt(other, "in-tunnel") && isAnswering(other));
  const sinceMs = Math.max(...recovered.map(recoveredAtMs));
  if (recovered.length === 0 || sinceMs <= triedAtMs) return entry;
  const evidence = `${entry.evidence} The tunnel answers again since ${timeOfDay(sinceMs)}, and this was not tried since then.`;
  const nextStep = "Wait for the next attempt: the losses are those of the outage, which is over.";
  return { ...entry, verdict: "unknown", cause: "no-evidence", evidence, nextStep };
}

/** Since when the target answers, ms since the epoch: since the latest of several outages within the lookback. */
function recoveredAtMs({ own: { lookback } }: Entry): number {
  const { last, lastBad, startMs } = lookback;
  const wasOut = lastBad !== undefined && lastBad.run.length >= OUTAGE_MIN_LENGTH;
  return wasOut && last?.run.outcomeClass === "good" ? Math.max(startMs, last.run.startedAtMs) : startMs;
}
