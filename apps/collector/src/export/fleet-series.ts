/**
 * The fleet's series in Prometheus's text format 0.0.4, written by hand: ten thousand histogram series through prom-client take a
 * second and 290 MB. Labels: node, requirement, probe, endpoint, ip (4, 6, or empty without a target).
 */
import { resolvedTargets } from "@lifeline/catalogue";
import { endpointName } from "@lifeline/measure";
import { VERDICTS } from "@lifeline/verdict";
import type { Fleet, Node } from "../fleet.ts";
import { RTT_BOUNDS_NS, type Tally } from "../tally.ts";

/** Nanoseconds in a second. */
const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** What the series say of the collector and its catalogue. */
export interface Info {
  readonly collectorVersion: string;
  readonly catalogueVersion: string;
  readonly deployment: string;
}

/** Every series of the fleet, family by family, in chunks of text. */
export function* fleetSeries(fleet: Fleet, info: Info): Generator<string> {
  yield head("lifeline_build_info", "gauge", "The collector's version.");
  yield `lifeline_build_info{version="${escaped(info.collectorVersion)}"} 1\n`;
  yield head("lifeline_catalogue_info", "gauge", "The catalogue and the deployment that nodes are judged against.");
  yield `lifeline_catalogue_info{version="${escaped(info.catalogueVersion)}",deployment="${escaped(info.deployment)}"} 1\n`;
  const nodes = [...fleet.nodes.values()];
  yield* lastSeen(nodes);
  yield* clockOffsets(nodes);
  yield* verdicts(nodes);
  const measured = nodes.flatMap(measuredTargets);
  yield* counters(
    measured,
    "lifeline_probe_attempts_total",
    "Attempts whose packet left the node.",
    (tally) => tally.attempts,
  );
  yield* counters(
    measured,
    "lifeline_probe_lost_total",
    "Attempts without an answer within the loss threshold (RFC 7680).",
    (tally) => tally.lost,
  );
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
  for (const { nodeId, rows } of nodes) {
    for (const { requirementId, target, verdict } of rows) {
      const labels = labelsOf(nodeId, requirementId, target?.probe, target?.endpoint, target?.family);
      yield VERDICTS.map((word) => `${name}{${labels},verdict="${word}"} ${word === verdict ? 1 : 0}\n`).join("");
    }
  }
}

interface Measured {
  readonly labels: string;
  readonly tally: Tally;
}

function measuredTargets(node: Node): readonly Measured[] {
  return resolvedTargets(node.resolution).flatMap(({ id, requirementId, host, port, family, options }) => {
    const tally = node.tallies.get(id);
    if (tally === undefined) return [];
    const path = options.probe === "http" ? options.expect.path : options.probe === "dns" ? `/${options.query}` : "";
    const endpoint = `${endpointName(host, port)}${path}`;
    return [{ labels: labelsOf(node.nodeId, requirementId, options.probe, endpoint, family), tally }];
  });
}

function* counters(
  measured: readonly Measured[],
  name: string,
  help: string,
  read: (tally: Tally) => number,
): Generator<string> {
  yield head(name, "counter", help);
  for (const { labels, tally } of measured) yield `${name}{${labels}} ${read(tally)}\n`;
}

function* failures(measured: readonly Measured[]): Generator<string> {
  const name = "lifeline_probe_failures_total";
  yield head(name, "counter", "Attempts that were not answered as they should be, by cause; loss is cause timeout.");
  for (const { labels, tally } of measured) {
    for (const [cause, count] of tally.failures) yield `${name}{${labels},cause="${cause}"} ${count}\n`;
  }
}

function* rtts(measured: readonly Measured[]): Generator<string> {
  const name = "lifeline_probe_rtt_seconds";
  yield head(name, "histogram", "Round-trip time (RFC 2681) of the attempts that had one.");
  for (const { labels, tally } of measured) {
    let below = 0;
    const lines = RTT_BOUNDS_NS.map((boundNs, at) => {
      below += tally.rttCounts[at] ?? 0;
      return `${name}_bucket{${labels},le="${boundNs / NS_PER_S}"} ${below}\n`;
    });
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${tally.rttCount}\n`);
    lines.push(`${name}_sum{${labels}} ${tally.rttSumNs / NS_PER_S}\n`, `${name}_count{${labels}} ${tally.rttCount}\n`);
    yield lines.join("");
  }
}

function head(name: string, type: "counter" | "gauge" | "histogram", help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labelsOf(
  node: string,
  requirement: string,
  probe: string | undefined,
  endpoint: string | undefined,
  ip: number | undefined,
): string {
  return `node="${escaped(node)}",requirement="${escaped(requirement)}",probe="${probe ?? ""}",endpoint="${escaped(endpoint ?? "")}",ip="${ip ?? ""}"`;
}

/** A label value as the text format wants it. */
function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (unit) => (unit === "\n" ? "\\n" : `\\${unit}`));
}
