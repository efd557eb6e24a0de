/**
 * When nodes are judged, and what becomes of it.
 *
 * 1. A node is judged soon after its windows changed, once for all that came together; and by the tick, when a target of it goes
 *    stale or its plan changed: silence, too, turns a verdict (M4).
 * 2. Nodes take turns (turns.ts), and one node is judged no more often than keeps it at {@link JUDGE_SHARE} of the main thread: what changes
 *    meanwhile is judged once.
 * 3. Verdicts' since and incidents are written when they change; what the store refuses is written again at the next tick.
 * 4. One write of an incident or a node's verdicts is under way at a time, so that an older state never follows a newer one.
 */

import { resolvedTargets } from "@lifeline/catalogue";
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import {
  advanceIncidents,
  DEFAULT_THRESHOLDS,
  type Incident,
  type IncidentStep,
  type Judgement,
  judgeNode,
  rowKey,
  staleAfterMsOf,
} from "@lifeline/verdict";
import type { Window } from "@lifeline/window";
import { type Fleet, type Node, nodeNowMs } from "../fleet/fleet.ts";
import type { Store } from "../store/store.ts";
import type { Turns } from "../streams/turns.ts";
import { withinAllowance } from "./incident-limit.ts";
import { createReplays } from "./late-judging.ts";
import { createUnsaved } from "./write-behind.ts";

/** How long judging waits for more windows of a node, ms: a tenth of what a person sees as at once. */
const SETTLE_MS = 20;

/**
 * Share of the main thread that judging one node may take, 0 to 1: a node of 91 targets takes some 2.6 ms, and is judged every 130 ms at most;
 * one that was made to take 50 ms, every 2.5 s.
 */
const JUDGE_SHARE = 0.02;

/** Most time that a question may spend on judging what waits, ms. */
const CATCH_UP_MS = 20;

export interface Judging {
  /** The node's windows or plan changed. */
  touch(node: Node): void;
  /** The node has come back: takes what is open of it now as the start of the backlog that may follow. */
  welcome(node: Node): void;
  /** Judges late windows at their own time (see replay); resolves then. */
  replay(node: Node, windows: readonly Window[]): Promise<void>;
  /** Judges at once. */
  judge(node: Node): void;
  /**
   * Judges what is waiting, for {@link CATCH_UP_MS} at most: whoever asks after an acknowledgement sees what was acknowledged. A fleet
   * of more nodes than that is answered as far as it has been judged.
   */
  catchUp(): void;
  /** To be called once a second: judges what has gone stale, writes what is unsaved. */
  tick(): void;
  /** Writes what is unsaved; resolves when the store has answered. */
  flush(): Promise<void>;
  stop(): void;
}

/** What judging reports. */
export interface JudgingEvents {
  onJudged(durationNs: number): void;
  onIncident(nodeId: string, change: "opened" | "closed", incident: Incident): void;
  onOverflow(what: "unsaved-incidents" | "incidents"): void;
  /** What was to be written belongs to a node that the store does not know. */
  onOrphan(): void;
}

/** What the judge is told of a node beside its windows. */
export type Knowledge = (node: Node, nowMs: number) => Pick<Judgement, "context" | "interception">;

export function createJudging(
  fleet: Fleet,
  store: Store,
  turns: Pick<Turns, "run">,
  clock: Clock,
  knowledge: Knowledge,
  events: JudgingEvents,
): Judging {
  const dirty = new Set<Node>();
  /** Those of them that wait for their turn. */
  const queued = new Set<Node>();
  /** When a node may be judged again, ns. */
  const restedAtNs = new Map<Node, number>();
  const nextDueMs = new Map<Node, number>();
  const unsaved = createUnsaved(store, events);
  const past = (node: Node) => {
    const { context, ...rest } = knowledge(node, clock.wallMs());
    // Who is heard or speaks now says nothing of an outage that came and went.
    const { witness: _witness, duplicate: _duplicate, ...lasting } = context ?? {};
    return { ...rest, context: lasting };
  };
  const bounded = (node: Node, step: IncidentStep, leftOut: Set<string>) =>
    withinAllowance(node, step, leftOut, clock.monotonicNs(), () => events.onOverflow("incidents"));
  const replays = createReplays({ clock, turns, knowledge: past, bounded }, (node, change, incident, isNew) => {
    if (change !== "changed" && isNew) events.onIncident(node.nodeId, change, incident);
    unsaved.addIncident(node.nodeId, incident);
    if (change === "closed") touch(node);
  });
  let settling: Timer | undefined;
  let isFlushDue = false;
  /** Once for all that was judged in one slice. */
  const flushSoon = () => {
    if (isFlushDue) return;
    isFlushDue = true;
    queueMicrotask(() => {
      isFlushDue = false;
      void unsaved.flush();
    });
  };
  const judge = (node: Node) => {
    dirty.delete(node);
    const beganNs = clock.monotonicNs();
    const wallMs = clock.wallMs();
    const nowMs = nodeNowMs(node, wallMs);
    const { resolution, previous } = node;
    const thresholds = DEFAULT_THRESHOLDS;
    const judgement = { resolution, windows: (id: string) => node.recent.of(id), nowMs, thresholds, previous };
    node.rows = judgeNode({ ...judgement, ...knowledge(node, wallMs) });
    const step = bounded(node, advanceIncidents(node.incidents, node.rows, nowMs), node.leftOut);
    node.incidents = step.state;
    for (const incident of step.opened) events.onIncident(node.nodeId, "opened", incident);
    for (const incident of step.closed) events.onIncident(node.nodeId, "closed", incident);
    for (const incident of [...step.opened, ...step.changed, ...step.closed])
      unsaved.addIncident(node.nodeId, incident);
    if (verdictsChanged(node)) unsaved.addVerdicts(node.nodeId, node.rows);
    node.previous = new Map(node.rows.map((row) => [rowKey(row), row]));
    nextDueMs.set(node, wallMs + staleAtMs(node, nowMs) - nowMs);
    const endedNs = clock.monotonicNs();
    restedAtNs.set(node, endedNs + (endedNs - beganNs) * (1 / JUDGE_SHARE - 1));
    events.onJudged(endedNs - beganNs);
  };
  const isKnown = (node: Node) => fleet.nodes.get(node.nodeId) === node;
  const judgeInTurn = (node: Node) => {
    queued.delete(node);
    if (!dirty.has(node)) return;
    if (isKnown(node)) judge(node);
    else dirty.delete(node);
    flushSoon();
  };
  const settle = () => {
    const nowNs = clock.monotonicNs();
    for (const node of dirty) {
      if (queued.has(node) || (restedAtNs.get(node) ?? 0) > nowNs) continue;
      queued.add(node);
      void turns.run("judging", node, () => judgeInTurn(node));
    }
    settling = dirty.size > 0 ? clock.after(SETTLE_MS, settle) : undefined;
  };
  const touch = (node: Node) => {
    dirty.add(node);
    settling ??= clock.after(SETTLE_MS, settle);
  };
  return {
    judge,
    catchUp() {
      const untilNs = clock.monotonicNs() + CATCH_UP_MS * NS_PER_MS;
      for (const node of dirty) {
        if (isKnown(node)) judge(node);
        if (clock.monotonicNs() >= untilNs) break;
      }
    },
    touch,
    welcome: (node) => replays.begin(node),
    replay: (node, windows) => replays.add(node, windows).then(flushSoon),
    tick() {
      const nowMs = clock.wallMs();
      for (const node of nextDueMs.keys()) {
        if (isKnown(node)) continue;
        nextDueMs.delete(node);
        restedAtNs.delete(node);
      }
      replays.settle(isKnown);
      for (const node of fleet.nodes.values()) if ((nextDueMs.get(node) ?? 0) <= nowMs) touch(node);
      void unsaved.flush();
    },
    flush: () => unsaved.flush(),
    stop: () => settling?.cancel(),
  };
}

/** When the next target of the node goes stale, on the node's clock; Infinity when none can. */
function staleAtMs({ resolution, recent }: Node, nowMs: number): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const { id, cadenceMs } of resolvedTargets(resolution)) {
    const latest = recent.of(id).at(-1);
    const staleMs = latest === undefined ? 0 : latest.endMs + staleAfterMsOf(DEFAULT_THRESHOLDS, cadenceMs);
    if (staleMs > nowMs) earliestMs = Math.min(earliestMs, staleMs);
  }
  return earliestMs;
}

function verdictsChanged({ rows, previous }: Node): boolean {
  if (rows.length !== previous.size) return true;
  return rows.some((row) => {
    const before = previous.get(rowKey(row));
    if (before?.verdict !== row.verdict || before.sinceMs !== row.sinceMs) return true;
    // What was found out of a dead tunnel holds for its outage, which the onset names.
    const isOutage = row.verdict === "unmet" && row.udpEvidence !== undefined;
    return before.cause !== row.cause || (isOutage && before.onsetMs !== row.onsetMs);
  });
}
