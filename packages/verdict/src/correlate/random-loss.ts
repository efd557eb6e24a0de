/** Random loss, and its direction. */
import { endpointName } from "@lifeline/measure";
import { lossOf, wilsonInterval } from "@lifeline/window";
import type { Entry } from "../entry.ts";
import { inPercent } from "../phrase.ts";

/** Names random loss and adds its bursts, its directions and the smallest loss that the figures can show. */
export function withRandomLoss(entry: Entry): Entry {
  const directions = directionPhrase(entry);
  const isRandom =
    entry.verdict === "degraded" && entry.own.reason === "timeout" && entry.own.basis !== "some-addresses";
  if (!isRandom) return directions === "" ? entry : { ...entry, evidence: `${entry.evidence}${directions}` };
  const { target } = entry;
  const evidence = `${entry.evidence}${burstPhrase(entry)}${directions}`;
  const where = endpointName(target.host, target.port);
  const nextStep = `Network team: look for a lossy link, a full queue or a rate limit between this node and ${where}${lossySideOf(entry)}.`;
  return { ...entry, cause: "loss", evidence, nextStep };
}

function burstPhrase({ own: { lookback } }: Entry): string {
  const { lost, late, sent, silent, notSent } = lossOf(lookback);
  const trials = sent - silent;
  // The lookback does not count a burst that began before it.
  const bursts = Math.max(lookback.lossBursts, lost > 0 ? 1 : 0);
  const mean = bursts === 0 ? 0 : lost / bursts;
  const resolution = trials > 0 ? ` The smallest loss visible here is ${inPercent(1 / trials)}.` : "";
  const apart = ` Late: ${late}; not sent: ${notSent}; neither counts as lost.`;
  return ` Losses came in ${bursts} bursts: mean length ${Number(mean.toPrecision(2))}, longest ${lookback.longestLossRun}.${resolution}${apart}`;
}

function directionPhrase({ own: { lookback } }: Entry): string {
  const { forwardSent, forwardLost, returnSent, returnLost } = lookback.directions;
  if (forwardSent + returnSent === 0 || forwardLost + returnLost === 0) return "";
  return ` By direction: forward ${part(forwardLost, forwardSent)}, return ${part(returnLost, returnSent)}.`;
}

function part(lost: number, sent: number): string {
  const [low, high] = wilsonInterval(Math.min(lost, sent), sent);
  return `${lost} of ${sent} lost (95 % interval ${inPercent(low)} to ${inPercent(high)})`;
}

/** The lossy direction, where the intervals do not overlap; otherwise nothing. */
function lossySideOf({ own: { lookback } }: Entry): string {
  const { forwardSent, forwardLost, returnSent, returnLost } = lookback.directions;
  const forward = wilsonInterval(Math.min(forwardLost, forwardSent), forwardSent);
  const back = wilsonInterval(Math.min(returnLost, returnSent), returnSent);
  if (forward[0] > back[1]) return ", in the forward direction";
  return back[0] > forward[1] ? ", in the return direction" : "";
}
