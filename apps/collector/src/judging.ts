/**
 * When nodes are judged, and what becomes of it.
 *
 * 1. A node is judged soon after its windows changed, once for all that came together; and by the tick, when a target of it goes
 *    stale or its plan changed: silence, too, turns a verdict (M4).
 * 2. Verdicts' since and incidents are written when they change; what the store refuses is written again at the next tick.
 * 3. One write of an incident or a node's verdicts is under way at a time, so that an older state never follows a newer one.
 */

import { resolvedTargets } from "@lifeline/catalogue";
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import {
  advanceIncidents,
  DEFAULT_THRESHOLDS,
  type Incident,
  type Judgement,
  judgeNode,
  rowKey,
  staleAfterMsOf,
} from "@lifeline/verdict";
import type { Window } from "@lifeline/window";
import { type Fleet, type Node, nodeNowMs } from "./fleet.ts";
import { createReplays } from "./replay.ts";
import type { Store } from "./store/store.ts";
import { createUnsaved } from "./unsaved.ts";

/** How long judging waits for more windows of a node, ms: a tenth of what a person sees as at once. */
const SETTLE_MS = 20;

/**
 * Judging in one go, and the pause after, ms: a node of 91 targets takes some 2.6 ms, and acknowledging must not wait for a
 * whole fleet. Nodes that change again while they wait are judged once.
 */
const SLICE_MS = 20;
const BREATH_MS = 5;

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
   * Judges what is waiting, for one slice at most: whoever asks after an acknowledgement sees what was acknowledged. A fleet of more
   * than a slice's nodes is answered as far as it has been judged.
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
  onOverflow(what: "unsaved-incidents"): void;
  /** What was to be written belongs to a node that the store does not know. */
  onOrphan(): void;
}

/** What the judge is told of a node beside its windows. */
export type Knowledge = (node: Node, nowMs: number) => Pick<Judgement, "context" | "interception">;

export function createJudging(
  fleet: Fleet,
  store: Store,
  clock: Clock,
  knowledge: Knowledge,
  events: JudgingEvents,
): Judging {
  const dirty = new Set<Node>();
  const nextDueMs = new Map<Node, number>();
  const unsaved = createUnsaved(store, events);
  const past = (node: Node) => {
    const { context, ...rest } = knowledge(node, clock.wallMs());
    // Who is heard or speaks now says nothing of an outage that came and went.
    const { witness: _witness, duplicate: _duplicate, ...lasting } = context ?? {};
    return { ...rest, context: lasting };
  };
  const replays = createReplays(clock, past, (node, change, incident, isNew) => {
    if (change !== "changed" && isNew) events.onIncident(node.nodeId, change, incident);
    unsaved.addIncident(node.nodeId, incident);
    if (change === "closed") touch(node);
  });
  let settling: Timer | undefined;

  const judge = (node: Node) => {
    dirty.delete(node);
    const beganNs = clock.monotonicNs();
    const wallMs = clock.wallMs();
    const nowMs = nodeNowMs(node, wallMs);
    const { resolution, previous } = node;
    const thresholds = DEFAULT_THRESHOLDS;
    const judgement = { resolution, windows: node.recent.of, nowMs, thresholds, previous };
    node.rows = judgeNode({ ...judgement, ...knowledge(node, wallMs) });
    const step = advanceIncidents(node.incidents, node.rows, nowMs);
    node.incidents = step.state;
    for (const incident of step.opened) events.onIncident(node.nodeId, "opened", incident);
    for (const incident of step.closed) events.onIncident(node.nodeId, "closed", incident);
    for (const incident of [...step.opened, ...step.changed, ...step.closed])
      unsaved.addIncident(node.nodeId, incident);
    if (verdictsChanged(node)) unsaved.addVerdicts(node.nodeId, node.rows);
    node.previous = new Map(node.rows.map((row) => [rowKey(row), row]));
    nextDueMs.set(node, wallMs + staleAtMs(node, nowMs) - nowMs);
    events.onJudged(clock.monotonicNs() - beganNs);
  };
  const judgeWaiting = (untilNs: number) => {
    for (const node of dirty) {
      if (fleet.nodes.get(node.nodeId) === node) judge(node);
      else dirty.delete(node);
      if (clock.monotonicNs() >= untilNs) break;
    }
  };
  const sliceEndNs = () => clock.monotonicNs() + SLICE_MS * NS_PER_MS;
  const settle = () => {
    const untilNs = sliceEndNs();
    judgeWaiting(untilNs);
    // The past waits for the present, but not for ever: one report of it has its turn in any case.
    do replays.step();
    while (replays.pending() && clock.monotonicNs() < untilNs);
    settling = dirty.size > 0 || replays.pending() ? clock.after(BREATH_MS, settle) : undefined;
    void unsaved.flush();
  };
  const touch = (node: Node) => {
    dirty.add(node);
    settling ??= clock.after(SETTLE_MS, settle);
  };
  return {
    judge,
    catchUp: () => judgeWaiting(sliceEndNs()),
    touch,
    welcome: (node) => replays.begin(node),
    replay(node, windows) {
      const judged = replays.add(node, windows);
      settling ??= clock.after(SETTLE_MS, settle);
      return judged;
    },
    tick() {
      const nowMs = clock.wallMs();
      for (const node of nextDueMs.keys()) if (fleet.nodes.get(node.nodeId) !== node) nextDueMs.delete(node);
      replays.settle((node) => fleet.nodes.get(node.nodeId) === node);
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
