/** Only large packets are lost. */
import { LATE_WATCH_MS, NS_PER_MS } from "@lifeline/measure";
import { lossOf, wilsonInterval } from "@lifeline/window";
import { type Entry, isAt, isFailing } from "../entry.ts";
import { inPercent } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { isLost, payloadBytesOf } from "./tunnel-probe.ts";

/**
 * Probability, 0–1. A run of large losses that the loss of small packets explains with at most this is the path MTU:
 * once in 1,000 runs.
 */
const CHANCE_MAX = 0.001;

/**
 * Names the path MTU where large datagrams in the tunnel are lost in a row and smaller ones pass at the same time.
 * Losses count from when the smaller ones passed: after an outage they pass first, because they are sent at other
 * times.
 */
export function withPathMtu(
  entry: Entry,
  entries: readonly Entry[],
  { thresholds, previous }: CorrelationContext,
): Entry {
  const { own, target, verdict } = entry;
  const bytes = payloadBytesOf(target);
  if (verdict !== "unmet" || !isLost(entry) || bytes === undefined || !isAt(entry, "in-tunnel")) return entry;
  // Without the node's end of the tunnel, packets take another path.
  if (entries.some((other) => isAt(other, "tunnel-link") && isFailing(other))) return kept(entry, previous);
  const losses = Math.max(
    0,
    ...entries.map((other) => (isSmaller(other, entry, bytes) ? lossesBeside(entry, other) : 0)),
  );
  const beside = entries.filter((other) => isSmallProbe(other, entry, bytes)).map(({ own: of }) => lossOf(of.lookback));
  const trials = beside.reduce((sum, { sent, silent }) => sum + sent - silent, 0);
  const lost = beside.reduce((sum, loss) => sum + loss.lost, 0);
  const [, high] = wilsonInterval(Math.min(lost, trials), trials);
  if (losses < thresholds.lossRunLength || high ** losses > CHANCE_MAX) return kept(entry, previous);
  const known = entries.map((other) => pathMtuOf(other, own.onsetMs)).find((mtu) => mtu !== undefined);
  const mtuPhrase = known === undefined ? "" : ` The largest packet that passes has ${known} bytes.`;
  const evidence = `${entry.evidence} ${losses} datagrams of ${bytes} bytes were lost in a row while smaller ones passed, and ${trials - lost} of ${trials} small packets did (their loss is at most ${inPercent(high)}).${mtuPhrase}`;
  return { ...entry, cause: "path-mtu", evidence, nextStep: NEXT_STEP };
}

const NEXT_STEP =
  "Network team: let IP packets of 1,340 bytes (IPv4) and 1,360 bytes (IPv6) pass to the SideroLink endpoint, unfragmented.";

/** The entry; with the path MTU where this run of losses was found to be that before something else failed too. */
function kept(entry: Entry, previous: CorrelationContext["previous"]): Entry {
  const was = previous?.get(entry.target.id);
  if (was?.cause !== "path-mtu" || was.onsetMs !== entry.onsetMs) return entry;
  return { ...entry, cause: "path-mtu", evidence: was.evidence ?? entry.evidence, nextStep: NEXT_STEP };
}

/**
 * How many large datagrams were lost while smaller ones passed. 0: the smaller ones fail, or have no sample of that
 * time. A pass counts between losses: it left after the first one, and before the latest. Where the smaller ones began
 * to pass after the losses began, the losses since then are counted by the cadence.
 */
function lossesBeside({ own, target }: Entry, small: Entry): number {
  const { last, rtt } = small.own.lookback;
  if (last?.run.outcomeClass !== "good" || own.seen === undefined) return 0;
  const smallRttMs = (rtt.maxNs ?? small.target.timeoutMs * NS_PER_MS) / NS_PER_MS;
  const passedAtMs = last.endedAtMs - smallRttMs;
  const passingSinceMs = last.run.startedAtMs;
  const { endedAtMs, run } = own.seen;
  // The earliest that the latest attempt can have begun: those that are still watched began after the one that ended.
  const latestLossMs = endedAtMs - target.timeoutMs - LATE_WATCH_MS + run.watched * target.cadenceMs;
  if (passingSinceMs <= own.onsetMs) return passedAtMs > own.onsetMs && passedAtMs < latestLossMs ? own.runLength : 0;
  if (latestLossMs < passingSinceMs) return 0;
  const attempts = Math.floor((latestLossMs - passingSinceMs) / target.cadenceMs) + 1;
  return Math.min(own.runLength, attempts - own.lookback.missedTicks);
}

/** Whether `other` is the same probe of the same host with a smaller datagram. */
function isSmaller(other: Entry, entry: Entry, bytes: number): boolean {
  if (!isAt(other, "in-tunnel") || other.target.host !== entry.target.host) return false;
  return (payloadBytesOf(other.target) ?? bytes) < bytes;
}

/** Whether the loss of `other` is that of small packets on the same path. */
function isSmallProbe(other: Entry, entry: Entry, bytes: number): boolean {
  const isSameHost = isAt(other, "in-tunnel") && other.target.host === entry.target.host;
  return isSmaller(other, entry, bytes) || (isSameHost && other.target.options.probe === "tcp");
}

/** Rounds of a search for the path MTU. Each takes at most the target's timeout (probe mtu). */
const SEARCH_ROUNDS = 3;

/** The result of a search that began after the fault did, bytes. Earlier results say nothing about now. */
function pathMtuOf({ own: { lookback }, target }: Entry, onsetMs: number): number | undefined {
  const { last } = lookback;
  if (target.options.probe !== "mtu" || last === undefined) return undefined;
  return last.endedAtMs - SEARCH_ROUNDS * target.timeoutMs > onsetMs ? last.evidence.pathMtuBytes : undefined;
}
