/**
 * Judges the backlog of a node at its own times: an outage that began and ended while the collector was away has its
 * incident too (J1).
 *
 * 1. Late windows are judged in the order in which they arrive, each report at its own end, apart from the live
 *    judgement: an agent sends both in turns.
 * 2. A backlog begins with the incidents that were open when the node connected again. When no more late reports
 *    arrive, incidents that are still open are compared with the live rows.
 * 3. A report is acknowledged after its turn (node-scheduler.ts), so that no more of them wait than are on their way.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { advanceIncidents, type Incident, type IncidentStep } from "@lifeline/verdict";
import { WINDOW_MS, type Window } from "@lifeline/window";
import { type Node, nodeNowMs } from "../fleet/node.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import type { NodeScheduler } from "../streams/node-scheduler.ts";
import type { JudgementContexts } from "./judgement-contexts.ts";
import { isSameIncident, LateBacklog, latestEndMs } from "./late-backlog.ts";
import type { IncidentEvents } from "./live-judging.ts";
import type { WriteBehind } from "./write-behind.ts";

/** How long after the last late report a backlog counts as drained, ms: agents send fifty of them a second. */
const DRAINED_AFTER_MS = 10_000;

/** Whether the newest of the windows ended so long ago that the live judgement does not cover its time. */
export function isLate(windows: readonly Window[], nowMs: number): boolean {
  return windows.length > 0 && latestEndMs(windows) < nowMs - WINDOW_MS;
}

interface LateJudgingParts {
  readonly clock: Clock;
  readonly scheduler: Pick<NodeScheduler, "run">;
  readonly contexts: Pick<JudgementContexts, "past">;
  readonly writeBehind: WriteBehind;
  readonly events: IncidentEvents;
  /** An incident ended in the past: what is bad now is another one. */
  readonly onClosed: (node: Node) => void;
}

/** The backlogs of all nodes. */
export class LateJudging {
  readonly #parts: LateJudgingParts;
  readonly #backlogs = new Map<Node, LateBacklog>();

  constructor(parts: LateJudgingParts) {
    this.#parts = parts;
  }

  /** The node has connected again: late windows from now on follow what is known of it now. */
  begin(node: Node): void {
    if (!this.#backlogs.has(node)) this.#open(node);
  }

  /** Judges windows of the past when the node's turn comes; resolves then. */
  add(node: Node, windows: readonly Window[]): Promise<void> {
    const { clock, scheduler } = this.#parts;
    const backlog = this.#backlogs.get(node) ?? this.#open(node);
    backlog.waiting += 1;
    return scheduler.run("judging", node, () => {
      backlog.waiting -= 1;
      backlog.lastNs = clock.monotonicNs();
      this.#judge(node, backlog, windows);
    });
  }

  /** Ends the backlogs that are drained, and drops those of nodes that are not known any more. */
  endDrained(isKnown: (node: Node) => boolean): void {
    const beforeNs = this.#parts.clock.monotonicNs() - DRAINED_AFTER_MS * NS_PER_MS;
    for (const [node, backlog] of this.#backlogs) {
      if (backlog.waiting > 0 || backlog.lastNs > beforeNs) continue;
      this.#backlogs.delete(node);
      if (isKnown(node)) this.#end(node, backlog);
    }
  }

  #open(node: Node): LateBacklog {
    const backlog = new LateBacklog(node, this.#parts.clock.monotonicNs());
    this.#backlogs.set(node, backlog);
    return backlog;
  }

  #judge(node: Node, backlog: LateBacklog, windows: readonly Window[]): void {
    const { clock, contexts, events } = this.#parts;
    const judged = backlog.judge(windows, contexts.past(node), clock.monotonicNs());
    if (judged === undefined) return;
    for (let at = 0; at < judged.newlyDeferred; at++) events.onOverflow("incidents");
    this.#record(node, backlog, judged.step);
  }

  /** Compares incidents that are still open with the rows of now. */
  #end(node: Node, backlog: LateBacklog): void {
    const left = [...backlog.incidents].filter(([id, incident]) => !isSameIncident(node.incidents.get(id), incident));
    const open = new Map(left);
    const step = advanceIncidents(open, node.rows, nodeNowMs(node, this.#parts.clock.wallMs()), (targetId) =>
      node.recent.of(targetId),
    );
    const superseded: Incident[] = [];
    for (const [targetId, incident] of step.state) {
      if (!open.has(targetId)) continue;
      const live = node.incidents.get(targetId);
      if (live === undefined) applyNodeEvent(node, { kind: "late-incident-opened", incident });
      else superseded.push({ ...incident, endedAtMs: Math.max(incident.startedAtMs, live.startedAtMs) });
    }
    this.#record(node, backlog, { opened: [], changed: step.changed, closed: [...step.closed, ...superseded] });
  }

  /** The live judgement writes the incidents that it goes on with, or has closed meanwhile, while they are open. */
  #record(node: Node, { base }: LateBacklog, { opened, changed, closed }: Omit<IncidentStep, "state">): void {
    const { writeBehind, events, onClosed } = this.#parts;
    const isBase = (incident: Incident) => isSameIncident(base.get(incident.targetId), incident);
    const isLive = (incident: Incident) => isSameIncident(node.incidents.get(incident.targetId), incident);
    for (const incident of opened) {
      if (isLive(incident)) continue;
      events.onIncident(node.nodeId, "opened", incident);
      writeBehind.addIncident(node.nodeId, incident);
    }
    for (const incident of changed) {
      if (!isLive(incident) && !isBase(incident)) writeBehind.addIncident(node.nodeId, incident);
    }
    for (const incident of closed) {
      if (isLive(incident)) applyNodeEvent(node, { kind: "late-incident-closed", targetId: incident.targetId });
      if (!isBase(incident)) events.onIncident(node.nodeId, "closed", incident);
      writeBehind.addIncident(node.nodeId, incident);
      onClosed(node);
    }
  }
}
