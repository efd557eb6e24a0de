/** The late windows of one node, and the incidents that they show. */

import { outcomeClassOf } from "@lifeline/measure";
import {
  advanceIncidents,
  DEFAULT_THRESHOLDS,
  type Incident,
  type IncidentState,
  type IncidentStep,
  type JudgementContext,
  judgeNode,
  type PreviousVerdict,
  rowKey,
} from "@lifeline/verdict";
import { WINDOW_MS, type Window } from "@lifeline/window";
import { lookbacksOf, type Node } from "../fleet/node.ts";
import type { RecentWindows } from "../fleet/recent-windows.ts";
import { withinIncidentLimit } from "./incident-limit.ts";

/** What a report of the past changed. */
interface LateStep {
  readonly step: IncidentStep;
  /** Incidents that may not be opened yet, as far as the step before did not have them. */
  readonly newlyDeferred: number;
}

/** A backlog from its first report to its last. */
export class LateBacklog {
  /** As the live judgement had them when the backlog began: these were reported already. */
  readonly base: IncidentState;
  readonly #node: Node;
  readonly #recent: RecentWindows;
  #incidents: IncidentState;
  #deferred: ReadonlySet<string> = new Set();
  /** The rows of the report before: what was found out about an outage holds until it ends. */
  #previous: ReadonlyMap<string, PreviousVerdict>;
  /** Reports that wait for their turn. */
  waiting = 0;
  /** When its last report was judged, ns. */
  lastNs: number;

  constructor(node: Node, nowNs: number) {
    this.#node = node;
    this.#recent = node.recent.copy();
    this.base = node.incidents;
    this.#incidents = node.incidents;
    this.#previous = node.previous;
    this.lastNs = nowNs;
  }

  /** Incidents that are open at the time that the backlog has reached. */
  get incidents(): IncidentState {
    return this.#incidents;
  }

  /** Judges the node at the end of those windows; undefined: nothing can have changed. `nowNs`: monotonic. */
  judge(windows: readonly Window[], context: JudgementContext, nowNs: number): LateStep | undefined {
    const nowMs = latestEndMs(windows);
    this.#add(windows, nowMs);
    // Good windows alone open nothing; most of a backlog is that.
    if (this.#incidents.size === 0 && !windows.some(hasBad)) return undefined;
    const { resolution, quota } = this.#node;
    const recent = (targetId: string) => this.#recent.of(targetId);
    const judgement = { resolution, windows: recent, nowMs, thresholds: DEFAULT_THRESHOLDS, previous: this.#previous };
    const rows = judgeNode({ ...judgement, ...context });
    this.#previous = new Map(rows.map((row) => [rowKey(row), row]));
    const advanced = advanceIncidents(this.#incidents, rows, nowMs, recent);
    const { step, deferred, newlyDeferred } = withinIncidentLimit(quota, advanced, this.#deferred, nowNs);
    this.#incidents = step.state;
    this.#deferred = deferred;
    return { step, newlyDeferred };
  }

  #add(windows: readonly Window[], nowMs: number): void {
    const lookbacks = lookbacksOf(this.#node);
    for (const window of windows) if (lookbacks.has(window.targetId)) this.#recent.add(window);
    this.#recent.prune((targetId) => {
      const lookbackMs = lookbacks.get(targetId);
      return lookbackMs === undefined ? undefined : nowMs - lookbackMs;
    }, nowMs + WINDOW_MS);
  }
}

/** Whether both are the same incident of a target, maybe at different times. */
export function isSameIncident(a: Incident | undefined, b: Incident): boolean {
  return a?.targetId === b.targetId && a.startedAtMs === b.startedAtMs;
}

/** When the newest of the windows ended, ms since the epoch; 0: there is none. */
export function latestEndMs(windows: readonly Window[]): number {
  return windows.reduce((latest, { endMs }) => Math.max(latest, endMs), 0);
}

function hasBad({ counts }: Window): boolean {
  return [...counts.keys()].some((reason) => outcomeClassOf(reason) === "bad");
}
