/** What the probes saw, in one sentence with figures (J2). */
import { reasonFacts, type Target, targetPlace } from "@lifeline/measure";
import { lossOf } from "@lifeline/window";
import { addressesPhrase } from "./address-states.ts";
import { conclusiveOf, endedOf, flawedOf } from "./attempt-counts.ts";
import { inPercent, inSeconds, lossPhrase, rttPhrase, seenPhrase, timeOfDay, timePhrase } from "./phrase.ts";
import { rttFiguresOf } from "./rtt-figures.ts";
import type { TargetVerdict } from "./target-verdict.ts";

/** The sentence for one target and the verdict from its own windows. */
export function evidenceOf(target: Target, own: TargetVerdict): string {
  return `${what(target)}: ${sentence(own)}${addressesOf(target, own)}${answerOf(target, own)}`;
}

/** What each of several addresses shows; nothing where the name itself has none or the data is old. */
function addressesOf(target: Target, { basis, addresses }: TargetVerdict): string {
  const isShown = basis === "answered" || basis === "failed" || basis === "intermittent" || basis === "some-addresses";
  return addresses === undefined || !isShown ? "" : addressesPhrase(target, addresses);
}

function what(target: Target): string {
  const { options, family } = target;
  const asked = options.probe === "dns" ? ` (${options.type} of ${options.query})` : "";
  return `${options.probe} to ${targetPlace(target)} over IPv${family}${asked}`;
}

/** That a resolver answered by NXDOMAIN: it works, and the name it was asked for does not exist. */
function answerOf({ options }: Target, { basis, seen }: TargetVerdict): string {
  const isNone = options.probe === "dns" && basis === "answered" && seen?.evidence.code === "NXDOMAIN";
  return isNone ? " The answer is NXDOMAIN: the resolver works, and that name does not exist." : "";
}

function sentence(own: TargetVerdict): string {
  const { basis, reason, seen, runLength, lookback, lookbackMs, lastSampleAtMs } = own;
  const over = `over the last ${inSeconds(lookbackMs)}`;
  switch (basis) {
    case "answered":
      return `${answeredShare(own)} ${over}${address(own)}${rtt(own)}${clock(own)}${reservation(own)}.`;
    case "failed":
      return `${seenPhrase(reason, seen)}, ${stateShare(own)}; ${answeredShare(own)} ${over}.`;
    case "intermittent":
      return `${answeredShare(own)} ${over}${failedRatio(own)}; ${seenPhrase(reason, seen)}; longest run of loss ${lookback.longestLossRun}${rtt(own)}.`;
    case "some-addresses":
      return `${answeredShare(own)} ${over}${rtt(own)}.`;
    case "unconfirmed":
      return `${seenPhrase(reason, seen)}, ${times(runLength)} so far, which is too few to decide.`;
    case "silent":
      return `${times(lookback.counts.get(reason) ?? 0)} ${over}: ${seenPhrase(reason, undefined)}.`;
    case "name-has-no-address":
    case "unproven":
      return `${seenPhrase(reason, seen)}, ${times(lookback.counts.get(reason) ?? 0)} ${over}.`;
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

/** How long the present state has lasted, and since when the run that it belongs to fails. */
function stateShare({ seen, runLength: provenLength, onsetMs }: TargetVerdict): string {
  const runLength = Math.min(provenLength, seen?.run.length ?? provenLength);
  const silent = provenLength > runLength ? `, and ${provenLength - runLength} more that are silent so far` : "";
  const length = seen?.run.stateLength ?? runLength;
  const sinceMs = seen?.run.stateStartedAtMs ?? onsetMs;
  if (length === 1 && runLength === 1) return `once, at ${timeOfDay(sinceMs)}${silent}`;
  if (length === runLength) return `${times(length)} in a row since ${timeOfDay(sinceMs)}${silent}`;
  return `${times(length)} since ${timeOfDay(sinceMs)}, ${runLength} failures in a row since ${timeOfDay(onsetMs)}${silent}`;
}

function answeredShare({ lookback }: TargetVerdict): string {
  const loss = lossOf(lookback);
  const ended = conclusiveOf(lookback);
  const answered = ended - flawedOf(lookback);
  const lossPart = loss.lost + loss.late > 0 ? `, ${lossPhrase(loss)}` : "";
  const inTime = loss.late > 0 ? " in time" : "";
  return `${answered} of ${ended} attempts answered${inTime}${lossPart}`;
}

function failedRatio({ lookback, reason }: TargetVerdict): string {
  if (reason === "timeout" || reason === "late" || reason === "syn-lost") return "";
  const failed = endedOf(lookback, "bad");
  return ` (${inPercent(failed / (failed + endedOf(lookback, "good")))} failed)`;
}

function address({ seen }: TargetVerdict): string {
  return seen?.evidence.address === undefined ? "" : ` at ${seen.evidence.address}`;
}

/** What a good answer leaves open. */
function reservation({ seen }: TargetVerdict): string {
  if (seen === undefined || seen.reason === "answered") return "";
  const { kind, meaning } = reasonFacts(seen.reason);
  return kind === "answered" ? `; ${meaning}` : "";
}

function rtt({ lookback }: TargetVerdict): string {
  const phrase = rttPhrase(rttFiguresOf(lookback));
  return phrase === "" ? "" : `; ${phrase}`;
}

function clock({ seen }: TargetVerdict): string {
  return seen?.evidence.time === undefined ? "" : `; ${timePhrase(seen.evidence.time)}`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
