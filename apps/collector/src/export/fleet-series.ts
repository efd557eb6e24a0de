/**
 * The fleet's series in Prometheus's text format 0.0.4, written by hand: ten thousand histogram series through prom-client take a
 * second and 290 MB. Labels: node, requirement, probe, endpoint, ip (4, 6, or empty without a target), proxy (empty: direct).
 *
 * A verdict also names the row's obligation: whoever is to be woken by what is required must not be by what is optional.
 *
 * What is measured only beside what the node itself uses (a comparison) has its attempts and times here, and no verdict: who alerts on
 * unmet rows must not be woken by a direct path that nobody takes.
 */
import { resolvedTargets } from "@lifeline/catalogue";
import { detailOf, endpointName, type Target, targetPlace, visibleText } from "@lifeline/measure";
import { UDP_EVIDENCE, VERDICTS } from "@lifeline/verdict";
import type { Fleet } from "../fleet/fleet.ts";
import type { Node } from "../fleet/node.ts";
import { RTT_BOUNDS_NS, type TargetCounters } from "../fleet/target-counters.ts";
import type { WitnessCounts, WitnessReceiver } from "../fleet/witness-service.ts";

/** Nanoseconds in a second. */
const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** What the series say of the collector and its catalogue. */
export interface Info {
  readonly collectorVersion: string;
  readonly catalogueVersion: string;
  readonly deployment: string;
}

/** Every series of the fleet at `nowMs`, the collector's wall time, family by family, in chunks of text. */
export function* fleetSeries(
  fleet: Fleet,
  witnesses: Pick<WitnessReceiver, "counts">,
  info: Info,
  nowMs: number,
): Generator<string> {
  yield head("lifeline_build_info", "gauge", "The collector's version.");
  yield `lifeline_build_info{version="${escaped(info.collectorVersion)}"} 1\n`;
  yield head("lifeline_catalogue_info", "gauge", "The catalogue and the deployment that nodes are judged against.");
  yield `lifeline_catalogue_info{version="${escaped(info.catalogueVersion)}",deployment="${escaped(info.deployment)}"} 1\n`;
  const nodes = [...fleet.nodes.values()];
  yield* lastSeen(nodes);
  yield* clockOffsets(nodes);
  yield* duplicates(nodes, nowMs);
  yield* throttled(nodes);
  yield* worked(nodes);
  yield* verdicts(nodes);
  yield* udpEvidence(nodes);
  yield* witnessed(witnesses.counts());
  const measured = nodes.flatMap(measuredTargets);
  yield* counters(
    measured,
    "lifeline_probe_attempts_total",
    "Attempts whose packet left the node.",
    (counted) => counted.attempts,
  );
  yield* counters(
    measured,
    "lifeline_probe_lost_total",
    "Attempts without an answer within the loss threshold (RFC 7680).",
    (counted) => counted.lost,
  );
  yield* oneway(measured);
  yield* failures(measured);
  yield* rtts(measured);
}

function* lastSeen(nodes: readonly Node[]): Generator<string> {
  yield head("lifeline_agent_last_seen_timestamp_seconds", "gauge", "When the node's last report arrived.");
  for (const { nodeId, lastReportMs } of nodes) {
    if (lastReportMs === undefined) continue;
    yield `lifeline_agent_last_seen_timestamp_seconds{node="${escaped(nodeId)}"} ${lastReportMs / MS_PER_S}\n`;
  }
}

function* clockOffsets(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_agent_clock_offset_seconds";
  yield head(name, "gauge", "How far the node's clock is behind the collector's; negative when it is ahead.");
  for (const { nodeId, clockOffsetMs } of nodes) {
    if (clockOffsetMs !== undefined) yield `${name}{node="${escaped(nodeId)}"} ${clockOffsetMs / MS_PER_S}\n`;
  }
}

function* verdicts(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_requirement_verdict";
  yield head(name, "gauge", "1 for the verdict that the row has, 0 for the others.");
  for (const node of nodes) {
    const { nodeId, rows } = node;
    const targets = targetsById(node);
    for (const { requirementId, target, verdict, comparison, obligation } of rows) {
      if (comparison) continue;
      const row = labelsOf(nodeId, requirementId, targets.get(target?.id ?? ""));
      const labels = `${row},obligation="${obligation}"`;
      yield VERDICTS.map((word) => `${name}{${labels},verdict="${word}"} ${word === verdict ? 1 : 0}\n`).join("");
    }
  }
}

interface Measured {
  readonly labels: string;
  readonly counted: TargetCounters;
}

function measuredTargets(node: Node): readonly Measured[] {
  return resolvedTargets(node.resolution).flatMap((target) => {
    const counted = node.counters.of(target.id);
    return counted === undefined ? [] : [{ labels: labelsOf(node.nodeId, target.requirementId, target), counted }];
  });
}

function targetsById({ resolution }: Node): ReadonlyMap<string, Target> {
  return new Map(resolvedTargets(resolution).map((target) => [target.id, target]));
}

function* duplicates(nodes: readonly Node[], nowMs: number): Generator<string> {
  const name = "lifeline_node_duplicate";
  yield head(name, "gauge", "1 while two machines take turns under the node's id.");
  for (const { nodeId, boots } of nodes) {
    yield `${name}{node="${escaped(nodeId)}"} ${boots.duplicate(nowMs) === undefined ? 0 : 1}\n`;
  }
}

function* throttled(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_node_throttled";
  yield head(name, "gauge", "1 while the node's reports wait since it is over its quota.");
  for (const { nodeId, isThrottled } of nodes) yield `${name}{node="${escaped(nodeId)}"} ${isThrottled ? 1 : 0}\n`;
}

function* worked(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_node_work_seconds_total";
  yield head(
    name,
    "counter",
    "Time of the collector's main thread spent on the node's reports: opening, counting, judging.",
  );
  for (const { nodeId, quota } of nodes) yield `${name}{node="${escaped(nodeId)}"} ${quota.workNs / NS_PER_S}\n`;
}

function* udpEvidence(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_siderolink_udp_evidence";
  yield head(name, "gauge", "1 for what is known of the SideroLink UDP port, 0 for the other words.");
  for (const node of nodes) {
    const targets = targetsById(node);
    for (const { requirementId, target, udpEvidence: known } of node.rows) {
      if (known === undefined) continue;
      const labels = labelsOf(node.nodeId, requirementId, targets.get(target?.id ?? ""));
      yield UDP_EVIDENCE.map((word) => `${name}{${labels},evidence="${word}"} ${word === known ? 1 : 0}\n`).join("");
    }
  }
}

function* witnessed({
  reports,
  refused,
  witnesses,
  sources,
  contested,
  lastReportMs,
}: WitnessCounts): Generator<string> {
  const one = (name: string, type: "counter" | "gauge", help: string, value: number) =>
    `${head(name, type, help)}${name} ${value}\n`;
  yield one("lifeline_witness_reports_total", "counter", "Reports of witnesses that were admitted.", reports);
  yield one("lifeline_witness_reports_refused_total", "counter", "Reports of witnesses that were refused.", refused);
  yield one("lifeline_witnesses", "gauge", "Witnesses that reported within the last minute.", witnesses);
  yield one("lifeline_witness_sources", "gauge", "Sources that they have heard.", sources);
  const claims = "lifeline_witness_contested_claims";
  yield head(
    claims,
    "gauge",
    "Addresses that nodes name and that count for nothing, since another's stream comes from there, or others name them.",
  );
  yield `${claims}{by="stream"} ${contested.byStream}\n${claims}{by="claim"} ${contested.byClaim}\n`;
  if (lastReportMs === undefined) return;
  const name = "lifeline_witness_last_report_timestamp_seconds";
  yield one(name, "gauge", "When the latest report of a witness arrived.", lastReportMs / MS_PER_S);
}

/** Packets of numbered sessions by direction, and replies out of place. */
function* oneway(measured: readonly Measured[]): Generator<string> {
  const numbered = measured.filter(({ counted: { directions } }) => directions.forwardSent + directions.returnSent > 0);
  const both = (forward: number, back: number, name: string, labels: string) =>
    `${name}{${labels},direction="forward"} ${forward}\n${name}{${labels},direction="return"} ${back}\n`;
  const sent = "lifeline_probe_oneway_sent_total";
  yield head(sent, "counter", "Packets of numbered sessions, by direction.");
  for (const { labels, counted } of numbered) {
    yield both(counted.directions.forwardSent, counted.directions.returnSent, sent, labels);
  }
  const lost = "lifeline_probe_oneway_lost_total";
  yield head(lost, "counter", "Those of them that were lost on that way (RFC 7680).");
  for (const { labels, counted } of numbered) {
    yield both(counted.directions.forwardLost, counted.directions.returnLost, lost, labels);
  }
  const duplicated = ({ directions }: TargetCounters) => directions.duplicates;
  const reordered = ({ directions }: TargetCounters) => directions.reordered;
  yield* counters(
    numbered,
    "lifeline_probe_duplicates_total",
    "Replies that came a second time (RFC 5560).",
    duplicated,
  );
  yield* counters(
    numbered,
    "lifeline_probe_reordered_total",
    "Replies that came after a later one's (RFC 4737).",
    reordered,
  );
}

function* counters(
  measured: readonly Measured[],
  name: string,
  help: string,
  read: (counted: TargetCounters) => number,
): Generator<string> {
  yield head(name, "counter", help);
  for (const { labels, counted } of measured) yield `${name}{${labels}} ${read(counted)}\n`;
}

function* failures(measured: readonly Measured[]): Generator<string> {
  const name = "lifeline_probe_failures_total";
  yield head(name, "counter", "Attempts that were not answered as they should be, by cause; loss is cause timeout.");
  for (const { labels, counted } of measured) {
    for (const [cause, count] of counted.failures) yield `${name}{${labels},cause="${cause}"} ${count}\n`;
  }
}

function* rtts(measured: readonly Measured[]): Generator<string> {
  const name = "lifeline_probe_rtt_seconds";
  yield head(name, "histogram", "Round-trip time (RFC 2681) of the attempts that had one.");
  for (const { labels, counted } of measured) {
    let below = 0;
    const lines = RTT_BOUNDS_NS.map((boundNs, at) => {
      below += counted.rttCounts[at] ?? 0;
      return `${name}_bucket{${labels},le="${boundNs / NS_PER_S}"} ${below}\n`;
    });
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${counted.rttCount}\n`);
    lines.push(
      `${name}_sum{${labels}} ${counted.rttSumNs / NS_PER_S}\n`,
      `${name}_count{${labels}} ${counted.rttCount}\n`,
    );
    yield lines.join("");
  }
}

function head(name: string, type: "counter" | "gauge" | "histogram", help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labelsOf(node: string, requirement: string, target: Target | undefined): string {
  const proxy = target?.proxy === undefined ? "" : endpointName(target.proxy.host, target.proxy.port);
  const endpoint = target === undefined ? "" : `${targetPlace(target)}${detailOf(target.options)}`;
  const labels = { node, requirement, probe: target?.options.probe ?? "", endpoint, ip: target?.family ?? "", proxy };
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(",");
}

/** A label value as the text format wants it; a node may have named its host. */
function escaped(text: string): string {
  return visibleText(text).replace(/[\\"]/g, "\\$&");
}
