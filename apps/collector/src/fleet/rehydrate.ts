/**
 * Rebuilds nodes from the store: the fleet after a start, and one node that was pruned from memory and reports again.
 */
import type { NodeFacts } from "@lifeline/catalogue";
import { CAUSES, type Clock } from "@lifeline/measure";
import { type Incident, type PreviousVerdict, VERDICTS } from "@lifeline/verdict";
import { decodeReport } from "@lifeline/wire";
import type { StoredIncident, StoredNode, VerdictRecord } from "../store/record.ts";
import type { Store } from "../store/store.ts";
import { type Fleet, MAX_NODES } from "./fleet.ts";
import { lookbacksOf, type Node, nodeNowMs, type ObservedFrom } from "./node.ts";
import { applyNodeEvent } from "./node-state.ts";
import { MAX_RECENT_WINDOWS, RECENT_MS } from "./recent-windows.ts";

/** Reports read at a time: some 2 MB of a large node's, so that no node's whole lookback is in memory twice. */
const REPORTS_PER_READ = 64;

/** Most open incidents read; more than every row of a node of a thousand targets each. */
const MAX_OPEN_INCIDENTS = 100_000;

/**
 * Fills `fleet` from `store`, with the cadences of the whole fleet. The caller judges afterwards. Leaves out nodes that
 * reported last before `silentBeforeMs`, ms since the epoch: the store knows a node as long as it has roll-ups, the
 * fleet as long as it has reports. Rejects with a StoreError.
 */
export async function rehydrate(fleet: Fleet, store: Store, clock: Clock, silentBeforeMs: number): Promise<void> {
  const stored = await store.submit("listNodes", { limit: MAX_NODES });
  const nodeIds = stored.map(({ nodeId }) => nodeId);
  const silent = new Set(await store.submit("silentNodes", { nodeIds, beforeMs: silentBeforeMs }));
  const nodes = stored.flatMap((record) => (silent.has(record.nodeId) ? [] : (rehydrateNode(fleet, record) ?? [])));
  // Cadences decide how far back windows are read, so the whole fleet is counted first.
  fleet.updateCadences(clock.wallMs());
  for (const node of nodes) {
    await rehydrateWindows(store, node, clock.wallMs());
    applyNodeEvent(node, { kind: "verdicts-rehydrated", previous: await verdictsOf(store, node.nodeId) });
  }
  await rehydrateIncidents(fleet, store);
}

/** How a node was last judged, as the store has it. */
export type StoredJudgement = Pick<Node, "previous" | "incidents">;

/** Reads how a node was last judged. Rejects with a StoreError. */
export async function readJudgement(store: Store, nodeId: string): Promise<StoredJudgement> {
  const records = await store.submit("openIncidents", { nodeId });
  const incidents = records.flatMap((record) => incidentOf(record) ?? []);
  return {
    previous: await verdictsOf(store, nodeId),
    incidents: new Map(incidents.map((incident) => [incident.targetId, incident])),
  };
}

function rehydrateNode(fleet: Fleet, stored: StoredNode): Node | undefined {
  const { hostname, agentVersion, factsJson, seenFromJson = "{}", seenAtMs } = stored;
  const { firstSeenMs, lastReportMs, clockOffsetMs } = stored;
  // Both were written by this collector from an admitted Hello.
  const facts = JSON.parse(factsJson) as NodeFacts;
  const { addresses = [], peerAddress, observedEndpoint } = JSON.parse(seenFromJson) as Partial<ObservedFrom>;
  const node = fleet.admit({ facts, hostname, agentVersion, addresses, observedEndpoint }, seenAtMs);
  if (node === undefined) return undefined;
  const contact = { firstSeenMs, lastReportMs, clockOffsetMs, peerAddress };
  applyNodeEvent(node, { kind: "contact-rehydrated", contact });
  return node;
}

async function rehydrateWindows(store: Store, node: Node, wallMs: number): Promise<void> {
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
      if (!decoded.ok) continue;
      applyNodeEvent(node, { kind: "report-taken", report: decoded.value, receivedAtMs, isCounted: false });
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

async function rehydrateIncidents(fleet: Fleet, store: Store): Promise<void> {
  const all = { nodeId: "", openOnly: true, sinceMs: 0, limit: MAX_OPEN_INCIDENTS, after: undefined };
  const states = new Map<Node, Map<string, Incident>>();
  for (const record of await store.submit("listIncidents", all)) {
    const node = fleet.nodes.get(record.nodeId);
    const incident = incidentOf(record);
    if (node === undefined || incident === undefined) continue;
    const state = states.get(node) ?? new Map<string, Incident>();
    states.set(node, state.set(incident.targetId, incident));
  }
  for (const [node, incidents] of states) applyNodeEvent(node, { kind: "incidents-rehydrated", incidents });
}

function incidentOf(record: StoredIncident): Incident | undefined {
  const { id: _id, nodeId: _nodeId, changesJson, verdict, cause, ...plain } = record;
  const knownCause = CAUSES.find((word) => word === cause);
  if ((verdict !== "unmet" && verdict !== "degraded") || knownCause === undefined) return undefined;
  return { ...plain, verdict, cause: knownCause, changes: JSON.parse(changesJson) as Incident["changes"] };
}
