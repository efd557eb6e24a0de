/** Losses from before the tunnel recovered. */
import { isSilence, LATE_WATCH_MS } from "@lifeline/measure";
import type { Remembered } from "@lifeline/window";
import { type Entry, isAnswering, isAt } from "../entry.ts";
import { timeOfDay } from "../phrase.ts";

/** Losses in a row that are an outage, and not loss (thresholds.ts, lossRunLength). */
const OUTAGE_MIN_LENGTH = 3;

/**
 * Losses of an outage of the tunnel that is over are no fault of their own. Targets with a faster cadence answer first.
 *
 * 1. A target that has not been tried since the tunnel recovered says nothing about now (M4). That holds for STAMP at
 *    the port too.
 * 2. A target in the tunnel that has answered since, and lost nothing since, is met.
 */
export function withOutlivedLoss(entry: Entry, entries: readonly Entry[]): Entry {
  const { own, verdict } = entry;
  if ((verdict !== "unmet" && verdict !== "degraded") || own.seen === undefined || !isOfTunnel(entry)) return entry;
  const recovered = entries.filter((other) => other !== entry && isAt(other, "in-tunnel") && isAnswering(other));
  const fully = verdict === "unmet" ? recovered : recovered.filter((other) => other.verdict === "met");
  const sinceMs = Math.max(...fully.map(recoveredAtMs));
  if (fully.length === 0 || sinceMs <= triedAtMs(entry, own.seen)) return entry;
  const { last } = own.lookback;
  if (verdict === "unmet" || last?.run.outcomeClass === "bad") return notTried(entry, sinceMs);
  if (last === undefined || !isAt(entry, "in-tunnel")) return entry;
  const evidence = `${entry.evidence} Nothing was lost since the tunnel recovered at ${timeOfDay(sinceMs)}.`;
  return { ...entry, verdict: "met", cause: "none", onsetMs: last.run.startedAtMs, evidence, nextStep: "" };
}

/** Whether an outage of the tunnel makes the target fail: it is in the tunnel, or STAMP at the port. */
function isOfTunnel(entry: Entry): boolean {
  return isAt(entry, "in-tunnel") || (isAt(entry, "siderolink") && entry.target.options.probe === "stamp");
}

/** The earliest that a failed attempt can have begun: one that is silent was watched for a late answer. */
function triedAtMs({ target }: Entry, { endedAtMs, reason }: Remembered): number {
  return endedAtMs - target.timeoutMs - (isSilence(reason) ? LATE_WATCH_MS : 0);
}

/** Since when the target answers, ms since the epoch: since the latest of several outages within the lookback. */
function recoveredAtMs({ own: { lookback } }: Entry): number {
  const { last, lastBad, startMs } = lookback;
  const wasOut = lastBad !== undefined && lastBad.run.length >= OUTAGE_MIN_LENGTH;
  return wasOut && last?.run.outcomeClass === "good" ? Math.max(startMs, last.run.startedAtMs) : startMs;
}

function notTried(entry: Entry, sinceMs: number): Entry {
  const evidence = `${entry.evidence} The tunnel answers again since ${timeOfDay(sinceMs)}, and this was not tried since then.`;
  const nextStep = "Wait for the next attempt: the losses are those of the outage, which is over.";
  return { ...entry, verdict: "unknown", cause: "no-evidence", evidence, nextStep };
}
