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
import { type Node, nodeNowMs } from "../fleet/node.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import type { FleetIssuers } from "./fleet-issuer.ts";
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
  const advanced = advanceIncidents(node.incidents, rows, nowMs);
  const limited = withinIncidentLimit(node.quota, advanced, node.deferredIncidents, clock.monotonicNs());
  const { opened, changed, closed, state: incidents } = limited.step;
  const haveChanged = verdictsChanged(rows, previous);
  applyNodeEvent(node, { kind: "judged", rows, incidents, deferredIncidents: limited.deferred });
  for (let at = 0; at < limited.newlyDeferred; at++) events.onOverflow("incidents");
  for (const incident of opened) events.onIncident(node.nodeId, "opened", incident);
  for (const incident of closed) events.onIncident(node.nodeId, "closed", incident);
  for (const incident of [...opened, ...changed, ...closed]) writeBehind.addIncident(node.nodeId, incident);
  if (haveChanged) writeBehind.addVerdicts(node.nodeId, rows);
}

/** When the next target of the node goes stale, on the node's clock; Infinity when none can. */
export function staleAtMs({ resolution, recent }: Node, nowMs: number): number {
  let earliestMs = Number.POSITIVE_INFINITY;
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
