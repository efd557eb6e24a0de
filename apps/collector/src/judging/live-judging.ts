/** Judges a node by its latest windows, and records what changed. */
import { resolvedTargets } from "@lifeline/catalogue";
import type { Clock } from "@lifeline/measure";
import {
  advanceIncidents,
  DEFAULT_THRESHOLDS,
  type Incident,
  judgeNode,
  type RowVerdict,
  rowKey,
  staleAfterMsOf,
} from "@lifeline/verdict";
import { type Node, nodeNowMs, silentAtMs } from "../fleet/node.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import type { FleetIssuers } from "./fleet-issuer.ts";
import { incidentsToCount } from "./incident-counts.ts";
import { withinIncidentLimit } from "./incident-limit.ts";
import type { JudgementContexts } from "./judgement-contexts.ts";
import { observedIssuers } from "./observed-issuers.ts";
import type { WriteBehind } from "./write-behind.ts";

/** What is reported of incidents. */
export interface IncidentEvents {
  onIncident(nodeId: string, change: "opened" | "closed", incident: Incident): void;
  /** An incident may not be opened yet. */
  onOverflow(what: "incidents"): void;
}

export interface LiveJudgingParts {
  readonly clock: Pick<Clock, "monotonicNs">;
  readonly contexts: Pick<JudgementContexts, "now">;
  readonly issuers: Pick<FleetIssuers, "observe">;
  readonly writeBehind: WriteBehind;
  readonly events: IncidentEvents;
}

/** Judges the node at `wallMs` by the collector's clock. */
export function judgeLive(node: Node, wallMs: number, parts: LiveJudgingParts): void {
  const { clock, contexts, issuers, writeBehind, events } = parts;
  const nowMs = nodeNowMs(node, wallMs);
  issuers.observe(node.nodeId, observedIssuers(node, wallMs));
  const { resolution, previous } = node;
  const windows = (targetId: string) => node.recent.of(targetId);
  const judgement = { resolution, windows, nowMs, thresholds: DEFAULT_THRESHOLDS, previous };
  const rows = judgeNode({ ...judgement, ...contexts.now(node, wallMs) });
  const advanced = advanceIncidents(node.incidents, rows, nowMs, windows);
  const limited = withinIncidentLimit(node.quota, advanced, node.deferredIncidents, clock.monotonicNs());
  const { opened, changed, closed, state: incidents } = limited.step;
  const haveChanged = verdictsChanged(rows, previous);
  const toCount = incidentsToCount(node.incidents, incidents);
  applyNodeEvent(node, { kind: "judged", rows, incidents, deferredIncidents: limited.deferred });
  for (let at = 0; at < limited.newlyDeferred; at++) events.onOverflow("incidents");
  for (const incident of opened) events.onIncident(node.nodeId, "opened", incident);
  for (const incident of closed) events.onIncident(node.nodeId, "closed", incident);
  for (const incident of [...opened, ...changed, ...closed]) writeBehind.addIncident(node.nodeId, incident);
  for (const incident of toCount) writeBehind.addCounts(node.nodeId, incident);
  if (haveChanged) writeBehind.addVerdicts(node.nodeId, rows);
}

/** When the node goes silent or its next target stale, on the node's clock; Infinity when neither can. */
export function staleAtMs(node: Node, nowMs: number): number {
  const { resolution, recent } = node;
  const silentMs = silentAtMs(node);
  // A millisecond more, because the facts hold for the whole of the time.
  const silentNodeMs = silentMs === undefined ? 0 : nodeNowMs(node, silentMs) + 1;
  let earliestMs = silentNodeMs > nowMs ? silentNodeMs : Number.POSITIVE_INFINITY;
  for (const { id, cadenceMs } of resolvedTargets(resolution)) {
    const latest = recent.of(id).at(-1);
    const staleMs = latest === undefined ? 0 : latest.endMs + staleAfterMsOf(DEFAULT_THRESHOLDS, cadenceMs);
    if (staleMs > nowMs) earliestMs = Math.min(earliestMs, staleMs);
  }
  return earliestMs;
}

function verdictsChanged(rows: readonly RowVerdict[], previous: Node["previous"]): boolean {
  if (rows.length !== previous.size) return true;
  return rows.some((row) => {
    const before = previous.get(rowKey(row));
    if (before?.verdict !== row.verdict || before.sinceMs !== row.sinceMs) return true;
    // What was found out about a dead tunnel holds for its outage, which the onset names.
    const isOutage = row.verdict === "unmet" && row.udpEvidence !== undefined;
    return before.cause !== row.cause || (isOutage && before.onsetMs !== row.onsetMs);
  });
}
