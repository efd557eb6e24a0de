/** The series of nodes: one value of each, at most. */
import type { Node } from "../fleet/node.ts";
import { head, labelsText } from "./prometheus-text.ts";

const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** At `nowMs`, the collector's wall time. */
export function* nodeSeries(nodes: readonly Node[], nowMs: number): Generator<string> {
  yield* family(
    nodes,
    "lifeline_agent_last_seen_timestamp_seconds",
    "gauge",
    "When the node's last report arrived.",
    ({ lastReportMs }) => seconds(lastReportMs),
  );
  yield* family(
    nodes,
    "lifeline_agent_clock_offset_seconds",
    "gauge",
    "How far the node's clock is behind the collector's; negative when it is ahead.",
    ({ clockOffsetMs }) => seconds(clockOffsetMs),
  );
  yield* family(
    nodes,
    "lifeline_node_duplicate",
    "gauge",
    "1 while two machines take turns under the node's id.",
    ({ boots }) => (boots.duplicate(nowMs) === undefined ? 0 : 1),
  );
  yield* family(
    nodes,
    "lifeline_node_throttled",
    "gauge",
    "1 while the node's reports wait because it is over its quota.",
    ({ isThrottled }) => (isThrottled ? 1 : 0),
  );
  yield* family(
    nodes,
    "lifeline_node_work_seconds_total",
    "counter",
    "Time of the collector's main thread spent on the node's reports: opening, counting, judging.",
    ({ quota }) => quota.workNs / NS_PER_S,
  );
}

/** A node whose value is undefined has no series. */
function* family(
  nodes: readonly Node[],
  name: string,
  type: "counter" | "gauge",
  help: string,
  read: (node: Node) => number | undefined,
): Generator<string> {
  yield head(name, type, help);
  for (const node of nodes) {
    const value = read(node);
    if (value !== undefined) yield `${name}{${labelsText({ node: node.nodeId })}} ${value}\n`;
  }
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / MS_PER_S;
}
