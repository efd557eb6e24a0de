/**
 * The backlog of a node, judged at its own times: what came and went while nobody listened has its incident too (J1).
 *
 * 1. Late windows are judged in the order they come, each at its own end, beside the live judgement and apart from it: an agent
 *    sends both in turns.
 * 2. It begins with the incidents that were open when the node came back, and ends, when no more is late, with those still open
 *    held against the live rows.
 * 3. A report is acknowledged after its turn (turns.ts), so that no more of them wait than are on their way.
 */
import type { Clock } from "@lifeline/measure";
import { NS_PER_MS, outcomeClassOf } from "@lifeline/measure";
import {
  advanceIncidents,
  DEFAULT_THRESHOLDS,
  type Incident,
  type IncidentState,
  type IncidentStep,
  type Judgement,
  judgeNode,
} from "@lifeline/verdict";
import { WINDOW_MS, type Window } from "@lifeline/window";
import { lookbacksOf, type Node, nodeNowMs } from "../fleet/fleet.ts";
import type { Recent } from "../fleet/recent-windows.ts";
import type { Turns } from "../streams/turns.ts";

/** How long after the last late report a backlog counts as drained, ms: agents send fifty of them a second. */
const DRAINED_AFTER_MS = 10_000;

interface Backlog {
  readonly recent: Recent;
  /** As the live judgement had them: told of already. */
  readonly base: IncidentState;
  incidents: IncidentState;
  /** Targets whose incident the node may not open now. */
  readonly leftOut: Set<string>;
  /** Reports that wait for their turn. */
  waiting: number;
  lastNs: number;
}

/** What became of an incident of the past. */
export type OnPast = (node: Node, change: "opened" | "changed" | "closed", incident: Incident, isNew: boolean) => void;

export interface Replays {
  /** The node has come back: what is late from now on follows what is known of it now. */
  begin(node: Node): void;
  /** Judges windows of the past when the node's turn comes; resolves then. */
  add(node: Node, windows: readonly Window[]): Promise<void>;
  /** Ends the backlogs that are drained; `forget` says which nodes are gone. */
  settle(isKnown: (node: Node) => boolean): void;
}

/** Whether the newest of the windows ended so long ago that the live judgement cannot speak for its time. */
export function isLate(windows: readonly Window[], nowMs: number): boolean {
  return windows.length > 0 && latestEndMs(windows) < nowMs - WINDOW_MS;
}

/** What the judge is told of a node's past beside its windows: nothing that speaks of now alone. */
export type PastKnowledge = (node: Node) => Pick<Judgement, "context" | "interception">;

/** What replays need. */
export interface ReplayParts {
  readonly clock: Clock;
  readonly turns: Pick<Turns, "run">;
  readonly knowledge: PastKnowledge;
  /** Leaves out what the node may not open; keeps which targets that was. */
  readonly bounded: (node: Node, step: IncidentStep, leftOut: Set<string>) => IncidentStep;
}

export function createReplays({ clock, turns, knowledge, bounded }: ReplayParts, onPast: OnPast): Replays {
  const backlogs = new Map<Node, Backlog>();
  const open = (node: Node): Backlog => {
    const { recent, incidents } = node;
    const lastNs = clock.monotonicNs();
    const backlog = {
      recent: recent.copy(),
      base: incidents,
      incidents,
      leftOut: new Set<string>(),
      waiting: 0,
      lastNs,
    };
    backlogs.set(node, backlog);
    return backlog;
  };
  const tell = (node: Node, { base }: Backlog, { opened, changed, closed }: Omit<IncidentStep, "state">) => {
    const isBase = (incident: Incident) => isSame(base.get(incident.targetId), incident);
    const isLive = (incident: Incident) => isSame(node.incidents.get(incident.targetId), incident);
    for (const incident of opened) if (!isLive(incident)) onPast(node, "opened", incident, true);
    // What the live judgement goes on with, or has closed meanwhile, is its own to write while it is open.
    for (const incident of changed) {
      if (!isLive(incident) && !isBase(incident)) onPast(node, "changed", incident, true);
    }
    for (const incident of closed) {
      // It ended in the past: what is bad now is another one.
      if (isLive(incident)) node.incidents = without(node.incidents, incident.targetId);
      onPast(node, "closed", incident, !isBase(incident));
    }
  };
  const judge = (node: Node, backlog: Backlog, windows: readonly Window[]) => {
    const nowMs = latestEndMs(windows);
    const lookbacks = lookbacksOf(node);
    for (const window of windows) if (lookbacks.has(window.targetId)) backlog.recent.add(window);
    backlog.recent.prune((targetId) => {
      const lookbackMs = lookbacks.get(targetId);
      return lookbackMs === undefined ? undefined : nowMs - lookbackMs;
    }, nowMs + WINDOW_MS);
    // Good windows alone open nothing; most of a backlog is that.
    if (backlog.incidents.size === 0 && !windows.some(hasBad)) return;
    const { resolution } = node;
    const judgement = {
      resolution,
      windows: (id: string) => backlog.recent.of(id),
      nowMs,
      thresholds: DEFAULT_THRESHOLDS,
    };
    const rows = judgeNode({ ...judgement, ...knowledge(node) });
    const step = bounded(node, advanceIncidents(backlog.incidents, rows, nowMs), backlog.leftOut);
    backlog.incidents = step.state;
    tell(node, backlog, step);
  };
  /** What is still open is held against the rows of now. */
  const end = (node: Node, backlog: Backlog) => {
    const left = [...backlog.incidents].filter(
      ([targetId, incident]) => !isSame(node.incidents.get(targetId), incident),
    );
    const step = advanceIncidents(new Map(left), node.rows, nodeNowMs(node, clock.wallMs()));
    const superseded: Incident[] = [];
    for (const [targetId, incident] of step.state) {
      const live = node.incidents.get(targetId);
      const isOwn = left.some(([id]) => id === targetId);
      if (!isOwn) continue;
      if (live === undefined) node.incidents = new Map(node.incidents).set(targetId, incident);
      else superseded.push({ ...incident, endedAtMs: Math.max(incident.startedAtMs, live.startedAtMs) });
    }
    tell(node, backlog, { opened: [], changed: step.changed, closed: [...step.closed, ...superseded] });
  };
  return {
    begin(node) {
      if (!backlogs.has(node)) open(node);
    },
    add(node, windows) {
      const backlog = backlogs.get(node) ?? open(node);
      backlog.waiting += 1;
      return turns.run("judging", node, () => {
        backlog.waiting -= 1;
        backlog.lastNs = clock.monotonicNs();
        judge(node, backlog, windows);
      });
    },
    settle(isKnown) {
      const beforeNs = clock.monotonicNs() - DRAINED_AFTER_MS * NS_PER_MS;
      for (const [node, backlog] of backlogs) {
        if (backlog.waiting > 0 || backlog.lastNs > beforeNs) continue;
        backlogs.delete(node);
        if (isKnown(node)) end(node, backlog);
      }
    },
  };
}

function isSame(a: Incident | undefined, b: Incident): boolean {
  return a?.targetId === b.targetId && a.startedAtMs === b.startedAtMs;
}

function without(state: IncidentState, targetId: string): IncidentState {
  return new Map([...state].filter(([id]) => id !== targetId));
}

function latestEndMs(windows: readonly Window[]): number {
  return windows.reduce((latest, { endMs }) => Math.max(latest, endMs), 0);
}

function hasBad({ counts }: Window): boolean {
  return [...counts.keys()].some((reason) => outcomeClassOf(reason) === "bad");
}
