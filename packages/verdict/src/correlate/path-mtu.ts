/** Only large packets are lost. */
import type { Target } from "@lifeline/measure";
import { lossOf, wilsonInterval } from "@lifeline/window";
import { type Entry, hasAnsweredSince, isAt, isFailing } from "../entry.ts";
import { inPercent } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";

/**
 * Probability, 0–1. A run of large losses that the loss of small packets explains with at most this is the path MTU:
 * once in 1,000 runs.
 */
const CHANCE_MAX = 0.001;

/** Names the path MTU where large datagrams in the tunnel are lost in a row while small ones and TCP pass. */
export function withPathMtu(entry: Entry, entries: readonly Entry[], { thresholds }: CorrelationContext): Entry {
  const { own, target, verdict } = entry;
  const bytes = payloadBytesOf(target);
  if (verdict !== "unmet" || own.reason !== "timeout" || bytes === undefined || !isAt(entry, "in-tunnel")) return entry;
  // Without the node's end of the tunnel, packets take another path.
  if (entries.some((other) => isAt(other, "tunnel-link") && isFailing(other))) return entry;
  const small = entries.filter((other) => isSmaller(other, entry, bytes));
  if (!small.some((other) => hasAnsweredSince(other, own.onsetMs))) return entry;
  const losses = small.map((other) => lossOf(other.own.lookback));
  const trials = losses.reduce((sum, { sent, silent }) => sum + sent - silent, 0);
  const lost = losses.reduce((sum, loss) => sum + loss.lost, 0);
  const [, high] = wilsonInterval(Math.min(lost, trials), trials);
  if (own.runLength < thresholds.lossRunLength || high ** own.runLength > CHANCE_MAX) return entry;
  const known = entries.map((other) => pathMtuOf(other, own.onsetMs)).find((mtu) => mtu !== undefined);
  const mtuPhrase = known === undefined ? "" : ` The largest packet that passes has ${known} bytes.`;
  const evidence = `${entry.evidence} ${own.runLength} datagrams of ${bytes} bytes were lost in a row while ${trials - lost} of ${trials} small packets passed (their loss is at most ${inPercent(high)}).${mtuPhrase}`;
  const nextStep =
    "Network team: let IP packets of 1,340 bytes (IPv4) and 1,360 bytes (IPv6) pass to the SideroLink endpoint, unfragmented.";
  return { ...entry, cause: "path-mtu", evidence, nextStep };
}

/** Payload of a datagram to a closed port in the tunnel, bytes; undefined for other targets. */
export function payloadBytesOf({ options }: Target): number | undefined {
  return options.probe === "udp" && options.expectRefusal ? options.payloadBytes : undefined;
}

function isSmaller(other: Entry, entry: Entry, bytes: number): boolean {
  if (!isAt(other, "in-tunnel") || other.target.host !== entry.target.host) return false;
  return other.target.options.probe === "tcp" || (payloadBytesOf(other.target) ?? bytes) < bytes;
}

/** Rounds of a search for the path MTU. Each takes at most the target's timeout (probe mtu). */
const SEARCH_ROUNDS = 3;

/** The result of a search that began after the fault did, bytes. Earlier results say nothing about now. */
function pathMtuOf({ own: { lookback }, target }: Entry, onsetMs: number): number | undefined {
  const { last } = lookback;
  if (target.options.probe !== "mtu" || last === undefined) return undefined;
  return last.endedAtMs - SEARCH_ROUNDS * target.timeoutMs > onsetMs ? last.evidence.pathMtuBytes : undefined;
}
