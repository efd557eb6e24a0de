/** After a start: the fleet as the store remembers it. */
import type { NodeFacts } from "@lifeline/catalogue";
import { CAUSES, type Clock } from "@lifeline/measure";
import { type Incident, type PreviousVerdict, VERDICTS } from "@lifeline/verdict";
import { decodeReport } from "@lifeline/wire";
import { type Fleet, MAX_NODES, type Node, nodeNowMs, stretchesOf } from "./fleet.ts";
import type { StoredIncident, StoredNode } from "./store/record.ts";
import type { Store } from "./store/store.ts";

/** Most reports of one node that are opened again: two minutes of windows sealed every second, and a margin. */
const MAX_REPORTS_PER_NODE = 256;

/** Most open incidents taken up again; more than every row of a node of a thousand targets each. */
const MAX_OPEN_INCIDENTS = 100_000;

/** Fills `fleet` from `store`; the caller judges afterwards. */
export async function rehydrate(fleet: Fleet, store: Store, clock: Clock): Promise<void> {
  const stored = await store.submit("listNodes", { limit: MAX_NODES });
  for (const node of stored) await restore(fleet, store, clock, node);
  await restoreIncidents(fleet, store);
}

async function restore(fleet: Fleet, store: Store, clock: Clock, stored: StoredNode): Promise<void> {
  const { nodeId, hostname, agentVersion, factsJson, seenAtMs, firstSeenMs, lastReportMs, clockOffsetMs } = stored;
  const facts = JSON.parse(factsJson) as NodeFacts; // Written by this collector from an admitted Hello.
  const node = fleet.introduce({ facts, hostname, agentVersion, planRevision: "" }, seenAtMs);
  if (node === undefined) return;
  node.clockOffsetMs = clockOffsetMs;
  const nowMs = nodeNowMs(node, clock.wallMs());
  const keepMs = Math.max(0, ...stretchesOf(node).values());
  const reports = await store.submit("recentReports", {
    nodeId,
    endedAfterMs: nowMs - keepMs,
    limit: MAX_REPORTS_PER_NODE,
  });
  for (const { receivedAtMs, payload } of reports) {
    const decoded = decodeReport(payload);
    // A later collector may have tightened a limit; such a report stays in the store and is not judged by.
    if (decoded.ok) fleet.absorb(node, decoded.value, receivedAtMs, false);
  }
  node.firstSeenMs = firstSeenMs;
  node.lastReportMs = lastReportMs;
  const verdicts = await store.submit("listVerdicts", { nodeId });
  node.previous = new Map(
    verdicts.flatMap(({ rowKey, verdict, sinceMs }): [string, PreviousVerdict][] => {
      const known = VERDICTS.find((word) => word === verdict);
      return known === undefined ? [] : [[rowKey, { verdict: known, sinceMs }]];
    }),
  );
}

async function restoreIncidents(fleet: Fleet, store: Store): Promise<void> {
  const all = { nodeId: "", openOnly: true, sinceMs: 0, limit: MAX_OPEN_INCIDENTS, after: undefined };
  const states = new Map<Node, Map<string, Incident>>();
  for (const record of await store.submit("listIncidents", all)) {
    const node = fleet.nodes.get(record.nodeId);
    const incident = incidentOf(record);
    if (node === undefined || incident === undefined) continue;
    const state = states.get(node) ?? new Map<string, Incident>();
    states.set(node, state.set(incident.targetId, incident));
  }
  for (const [node, state] of states) node.incidents = state;
}

function incidentOf(record: StoredIncident): Incident | undefined {
  const { id: _id, nodeId: _nodeId, changesJson, verdict, cause, ...plain } = record;
  const knownCause = CAUSES.find((word) => word === cause);
  if ((verdict !== "unmet" && verdict !== "degraded") || knownCause === undefined) return undefined;
  return { ...plain, verdict, cause: knownCause, changes: JSON.parse(changesJson) as Incident["changes"] };
}
