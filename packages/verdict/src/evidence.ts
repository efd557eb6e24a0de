/** What was seen, said in a sentence with its figures (J2). */
import { type Target, targetPlace } from "@lifeline/measure";
import { lossOf } from "@lifeline/window";
import { rttFiguresOf } from "./figures.ts";
import { endedOf, type Finding } from "./finding.ts";
import { bounded, inPercent, inSeconds, lossPhrase, rttPhrase, seenPhrase, timeOfDay } from "./phrase.ts";

/** The sentence for one target and its finding. */
export function evidenceOf(target: Target, finding: Finding): string {
  return bounded(`${what(target)}: ${sentence(finding)}`);
}

function what(target: Target): string {
  const { options, family } = target;
  return `${options.probe} to ${targetPlace(target)} over IPv${family}`;
}

function sentence(finding: Finding): string {
  const { ground, reason, seen, runLength, onsetMs, lookback, lookbackMs, lastSampleAtMs } = finding;
  const over = `over the last ${inSeconds(lookbackMs)}`;
  switch (ground) {
    case "answered":
      return `${tally(finding)} ${over}${address(finding)}${rtt(finding)}.`;
    case "failed":
      return `${seenPhrase(reason, seen)}, ${runLength} times in a row since ${timeOfDay(onsetMs)}; ${tally(finding)} ${over}.`;
    case "intermittent":
      return `${tally(finding)} ${over}${share(finding)}; ${seenPhrase(reason, seen)}; longest run of loss ${lookback.longestLossRun}${rtt(finding)}.`;
    case "unconfirmed":
      return `${seenPhrase(reason, seen)}, ${times(runLength)} so far, which is too few to decide.`;
    case "silent":
      return `${times(lossOf(lookback).silent)} sent ${over}, nothing came back; ${seenPhrase(reason, undefined)}.`;
    case "name-has-no-address":
      return `${seenPhrase(reason, seen)}, ${times(lookback.counts.get("dns-nodata") ?? 0)} ${over}.`;
    case "agent-trouble":
      return `not measured ${over}: ${seenPhrase(reason, seen)}.`;
    case "no-attempt":
      return `no attempt ended ${over}; ${lookback.missedTicks} ticks of the schedule were missed.`;
    case "no-data":
      return lastSampleAtMs === undefined
        ? "no sample has arrived."
        : `no sample is fresh; the last one ended at ${timeOfDay(lastSampleAtMs)}.`;
  }
}

function tally({ lookback }: Finding): string {
  const loss = lossOf(lookback);
  const answered = endedOf(lookback, "good");
  const ended = answered + endedOf(lookback, "bad");
  const lossPart = loss.lost + loss.late > 0 ? `, ${lossPhrase(loss)}` : "";
  return `${answered} of ${ended} attempts answered${lossPart}`;
}

function share({ lookback, reason }: Finding): string {
  if (reason === "timeout" || reason === "late") return "";
  const failed = endedOf(lookback, "bad");
  return ` (${inPercent(failed / (failed + endedOf(lookback, "good")))} failed)`;
}

function address({ seen }: Finding): string {
  return seen?.evidence.address === undefined ? "" : ` at ${seen.evidence.address}`;
}

function rtt({ lookback }: Finding): string {
  const phrase = rttPhrase(rttFiguresOf(lookback));
  return phrase === "" ? "" : `; ${phrase}`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
