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
  const { ground, reason, seen, runLength, onsetMs, stretch, stretchMs, lastSampleAtMs } = finding;
  const over = `over the last ${inSeconds(stretchMs)}`;
  switch (ground) {
    case "answered":
      return `${tally(finding)} ${over}${address(finding)}${rtt(finding)}.`;
    case "failed":
      return `${seenPhrase(reason, seen)}, ${runLength} times in a row since ${timeOfDay(onsetMs)}; ${tally(finding)} ${over}.`;
    case "intermittent":
      return `${tally(finding)} ${over}${share(finding)}; ${seenPhrase(reason, seen)}; longest run of loss ${stretch.longestLossRun}${rtt(finding)}.`;
    case "unconfirmed":
      return `${seenPhrase(reason, seen)}, ${times(runLength)} so far, which is too few to decide.`;
    case "silent":
      return `${times(lossOf(stretch).silent)} sent ${over}, nothing came back; ${seenPhrase(reason, undefined)}.`;
    case "name-has-no-address":
      return `${seenPhrase(reason, seen)}, ${times(stretch.counts.get("dns-nodata") ?? 0)} ${over}.`;
    case "agent-trouble":
      return `not measured ${over}: ${seenPhrase(reason, seen)}.`;
    case "no-attempt":
      return `no attempt ended ${over}; ${stretch.missedTicks} ticks of the schedule were missed.`;
    case "no-data":
      return lastSampleAtMs === undefined
        ? "no sample has arrived."
        : `no sample is fresh; the last one ended at ${timeOfDay(lastSampleAtMs)}.`;
  }
}

function tally({ stretch }: Finding): string {
  const loss = lossOf(stretch);
  const answered = endedOf(stretch, "good");
  const ended = answered + endedOf(stretch, "bad");
  const lossPart = loss.lost + loss.late > 0 ? `, ${lossPhrase(loss)}` : "";
  return `${answered} of ${ended} attempts answered${lossPart}`;
}

function share({ stretch, reason }: Finding): string {
  if (reason === "timeout" || reason === "late") return "";
  const failed = endedOf(stretch, "bad");
  return ` (${inPercent(failed / (failed + endedOf(stretch, "good")))} failed)`;
}

function address({ seen }: Finding): string {
  return seen?.evidence.address === undefined ? "" : ` at ${seen.evidence.address}`;
}

function rtt({ stretch }: Finding): string {
  const phrase = rttPhrase(rttFiguresOf(stretch));
  return phrase === "" ? "" : `; ${phrase}`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
