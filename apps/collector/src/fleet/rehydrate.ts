/** The fleet as the store remembers it: after a start, and when a node comes again. */
import type { NodeFacts } from "@lifeline/catalogue";
import { CAUSES, type Clock } from "@lifeline/measure";
import { type Incident, type PreviousVerdict, VERDICTS } from "@lifeline/verdict";
import { decodeReport } from "@lifeline/wire";
import type { StoredIncident, StoredNode, VerdictRecord } from "../store/record.ts";
import type { Store } from "../store/store.ts";
import { type Fleet, lookbacksOf, MAX_NODES, type Node, nodeNowMs, type SeenFrom } from "./fleet.ts";
import { MAX_RECENT_WINDOWS, RECENT_MS } from "./recent-windows.ts";

/** Reports read at a time: some 2 MB of a large node's, so that no node's whole stretch is in memory twice. */
const REPORTS_PER_READ = 64;

/** Most open incidents taken up again; more than every row of a node of a thousand targets each. */
const MAX_OPEN_INCIDENTS = 100_000;

/**
 * Fills `fleet` from `store`, at the pace of the whole fleet; the caller judges afterwards. Leaves out the nodes that were heard last
 * before `silentBeforeMs`, ms since the epoch: the store knows a node as long as there are roll-ups of it; the fleet, as long as there
 * may be reports.
 */
export async function rehydrate(fleet: Fleet, store: Store, clock: Clock, silentBeforeMs: number): Promise<void> {
  const stored = await store.submit("listNodes", { limit: MAX_NODES });
  const nodeIds = stored.map(({ nodeId }) => nodeId);
  const silent = new Set(await store.submit("silentNodes", { nodeIds, beforeMs: silentBeforeMs }));
  const nodes = stored.flatMap((record) => (silent.has(record.nodeId) ? [] : (introduce(fleet, record) ?? [])));
  // The pace says how far back each target's windows count, so the whole fleet is counted before any are read.
  fleet.repace(clock.wallMs());
  for (const node of nodes) {
    await restoreWindows(fleet, store, node, clock.wallMs());
    node.previous = await verdictsOf(store, node.nodeId);
  }
  await restoreIncidents(fleet, store);
}

/** How a node was judged last, as the store remembers it. Rejects with a StoreError. */
export async function recall(store: Store, nodeId: string): Promise<Pick<Node, "previous" | "incidents">> {
  const records = await store.submit("openIncidents", { nodeId });
  const incidents = records.flatMap((record) => incidentOf(record) ?? []);
  return {
    previous: await verdictsOf(store, nodeId),
    incidents: new Map(incidents.map((incident) => [incident.targetId, incident])),
  };
}

function introduce(fleet: Fleet, stored: StoredNode): Node | undefined {
  const { hostname, agentVersion, factsJson, seenFromJson = "{}", seenAtMs } = stored;
  const { firstSeenMs, lastReportMs, clockOffsetMs } = stored;
  // Both were written by this collector from an admitted Hello.
  const facts = JSON.parse(factsJson) as NodeFacts;
  const { addresses = [], peerAddress, observedEndpoint } = JSON.parse(seenFromJson) as Partial<SeenFrom>;
  const told = { facts, hostname, agentVersion, planRevision: "", addresses, observedEndpoint };
  const node = fleet.introduce(told, seenAtMs);
  return node && Object.assign(node, { firstSeenMs, lastReportMs, clockOffsetMs, peerAddress });
}

async function restoreWindows(fleet: Fleet, store: Store, node: Node, wallMs: number): Promise<void> {
  const { nodeId } = node;
  const nowMs = nodeNowMs(node, wallMs);
  const targets = [...lookbacksOf(node)].map(([targetId, lookbackMs]) => ({
    targetId,
    endedAfterMs: nowMs - lookbackMs,
  }));
  const endedByMs = nowMs + RECENT_MS;
  const reports = await store.submit("recentReports", { nodeId, targets, endedByMs, limit: MAX_RECENT_WINDOWS });
  for (let at = 0; at < reports.length; at += REPORTS_PER_READ) {
    const some = await store.submit("readReports", { reports: reports.slice(at, at + REPORTS_PER_READ) });
    for (const { receivedAtMs, payload } of some) {
      const decoded = decodeReport(payload);
      // A later collector may have tightened a limit; such a report stays in the store and is not judged by.
      if (decoded.ok) fleet.absorb(node, decoded.value, receivedAtMs, false);
    }
  }
}

async function verdictsOf(store: Store, nodeId: string): Promise<ReadonlyMap<string, PreviousVerdict>> {
  const verdicts = await store.submit("listVerdicts", { nodeId });
  return new Map(
    verdicts.flatMap((record): [string, PreviousVerdict][] => {
      const verdict = VERDICTS.find((word) => word === record.verdict);
      return verdict === undefined ? [] : [[record.rowKey, { verdict, sinceMs: record.sinceMs, ...faultOf(record) }]];
    }),
  );
}

function faultOf({ fault }: VerdictRecord): Partial<PreviousVerdict> {
  const cause = CAUSES.find((word) => word === fault?.cause);
  return fault === undefined || cause === undefined ? {} : { ...fault, cause };
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
