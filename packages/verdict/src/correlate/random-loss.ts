/** Do answers come and go at random, and in which direction are they lost? */
import { endpointName } from "@lifeline/measure";
import { lossOf, wilsonInterval } from "@lifeline/window";
import type { Entry } from "../entry.ts";
import { bounded, inPercent } from "../phrase.ts";

/** Names random loss, and says its bursts, its directions and what loss could have been seen at all. */
export function withRandomLoss(entry: Entry): Entry {
  const directions = directionPhrase(entry);
  const isRandom = entry.verdict === "degraded" && entry.own.reason === "timeout";
  if (!isRandom) return directions === "" ? entry : { ...entry, evidence: bounded(`${entry.evidence}${directions}`) };
  const { target } = entry;
  const evidence = bounded(`${entry.evidence}${burstPhrase(entry)}${directions}`);
  const where = endpointName(target.host, target.port);
  const nextStep = `Network team: look for a lossy link, a full queue or a rate limit between this node and ${where}${wayOf(entry)}.`;
  return { ...entry, cause: "loss", evidence, nextStep };
}

function burstPhrase({ own: { lookback } }: Entry): string {
  const { lost, late, sent, silent, notSent } = lossOf(lookback);
  const trials = sent - silent;
  // A burst that began before the lookback is not counted in it.
  const bursts = Math.max(lookback.lossBursts, lost > 0 ? 1 : 0);
  const mean = bursts === 0 ? 0 : lost / bursts;
  const resolution = trials > 0 ? ` One loss would be ${inPercent(1 / trials)}: less cannot be seen.` : "";
  const apart = ` Late ${late}, not sent ${notSent}; neither counts as lost.`;
  return ` Losses came in ${bursts} bursts, mean ${Number(mean.toPrecision(2))}, longest ${lookback.longestLossRun}.${resolution}${apart}`;
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

/** A direction is named only where the intervals lie apart. */
function wayOf({ own: { lookback } }: Entry): string {
  const { forwardSent, forwardLost, returnSent, returnLost } = lookback.directions;
  const forward = wilsonInterval(Math.min(forwardLost, forwardSent), forwardSent);
  const back = wilsonInterval(Math.min(returnLost, returnSent), returnSent);
  if (forward[0] > back[1]) return ", on the way there";
  return back[0] > forward[1] ? ", on the way back" : "";
}
