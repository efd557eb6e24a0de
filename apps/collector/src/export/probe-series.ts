/** The attempts, losses, failures and times of each target, comparisons included. */
import { resolvedTargets } from "@lifeline/catalogue";
import type { DirectionCounts } from "@lifeline/measure";
import type { Node } from "../fleet/node.ts";
import { RTT_BOUNDS_NS, type TargetCounters } from "../fleet/target-counters.ts";
import { head } from "./prometheus-text.ts";
import { targetLabels } from "./target-labels.ts";

const NS_PER_S = 1e9;

interface Measured {
  readonly labels: string;
  readonly counters: TargetCounters;
}

export function* probeSeries(nodes: readonly Node[]): Generator<string> {
  const all = nodes.flatMap(measuredTargets);
  const attempts = "Attempts whose packet left the node.";
  yield* counter(all, "lifeline_probe_attempts_total", attempts, (counters) => counters.attempts);
  const lost = "Attempts without an answer within the loss threshold (RFC 7680).";
  yield* counter(all, "lifeline_probe_lost_total", lost, (counters) => counters.lost);
  yield* directions(all);
  yield* failures(all);
  yield* rtts(all);
}

function measuredTargets(node: Node): readonly Measured[] {
  return resolvedTargets(node.resolution).flatMap((target) => {
    const counters = node.counters.of(target.id);
    return counters === undefined ? [] : { labels: targetLabels(node.nodeId, target.requirementId, target), counters };
  });
}

function* counter(
  measured: readonly Measured[],
  name: string,
  help: string,
  read: (counters: TargetCounters) => number,
): Generator<string> {
  yield head(name, "counter", help);
  for (const { labels, counters } of measured) yield `${name}{${labels}} ${read(counters)}\n`;
}

/** Packets of numbered sessions by direction, and replies that came twice or out of order. */
function* directions(measured: readonly Measured[]): Generator<string> {
  const numbered = measured.filter(({ counters }) => {
    const { forwardSent, returnSent } = counters.directions;
    return forwardSent + returnSent > 0;
  });
  const sent = "Packets of numbered sessions, by direction.";
  yield* byDirection(numbered, "lifeline_probe_oneway_sent_total", sent, "forwardSent", "returnSent");
  const lost = "Those of them that were lost in that direction (RFC 7680).";
  yield* byDirection(numbered, "lifeline_probe_oneway_lost_total", lost, "forwardLost", "returnLost");
  const twice = "Replies that came a second time (RFC 5560).";
  yield* counter(numbered, "lifeline_probe_duplicates_total", twice, (counters) => counters.directions.duplicates);
  const late = "Replies that came after a later one's (RFC 4737).";
  yield* counter(numbered, "lifeline_probe_reordered_total", late, (counters) => counters.directions.reordered);
}

function* byDirection(
  numbered: readonly Measured[],
  name: string,
  help: string,
  forward: keyof DirectionCounts,
  back: keyof DirectionCounts,
): Generator<string> {
  yield head(name, "counter", help);
  for (const { labels, counters } of numbered) {
    const counts = counters.directions;
    yield `${name}{${labels},direction="forward"} ${counts[forward]}\n${name}{${labels},direction="return"} ${counts[back]}\n`;
  }
}

function* failures(measured: readonly Measured[]): Generator<string> {
  const name = "lifeline_probe_failures_total";
  yield head(name, "counter", "Attempts that were not answered as they should be, by cause; loss is cause timeout.");
  for (const { labels, counters } of measured) {
    for (const [cause, count] of counters.failures) yield `${name}{${labels},cause="${cause}"} ${count}\n`;
  }
}

function* rtts(measured: readonly Measured[]): Generator<string> {
  const name = "lifeline_probe_rtt_seconds";
  yield head(name, "histogram", "Round-trip time (RFC 2681) of the attempts that had one.");
  for (const { labels, counters } of measured) {
    const { rttCounts, rttCount, rttSumNs } = counters;
    let below = 0;
    const buckets = RTT_BOUNDS_NS.map((boundNs, at) => {
      below += rttCounts[at] ?? 0;
      return `${name}_bucket{${labels},le="${boundNs / NS_PER_S}"} ${below}\n`;
    });
    yield `${buckets.join("")}${name}_bucket{${labels},le="+Inf"} ${rttCount}\n`;
    yield `${name}_sum{${labels}} ${rttSumNs / NS_PER_S}\n${name}_count{${labels}} ${rttCount}\n`;
  }
}
