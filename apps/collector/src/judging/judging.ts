/**
 * When nodes are judged, and what becomes of it.
 *
 * 1. A node is judged soon after its windows changed, once for all that arrived together. The tick judges it when a
 *    target goes stale or its plan changed: silence, too, turns a verdict (M4).
 * 2. Nodes take turns (node-scheduler.ts). One node is judged no more often than keeps it at {@link JUDGE_SHARE} of the
 *    main thread: what changes meanwhile is judged once.
 * 3. Verdicts and incidents are written when they change. What the store refuses is written again at the next tick
 *    (write-behind.ts).
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import type { Window } from "@lifeline/window";
import type { Fleet } from "../fleet/fleet.ts";
import { type Node, nodeNowMs } from "../fleet/node.ts";
import type { Store } from "../store/store.ts";
import type { NodeScheduler } from "../streams/node-scheduler.ts";
import type { FleetIssuers } from "./fleet-issuer.ts";
import type { JudgementContexts } from "./judgement-contexts.ts";
import { LateJudging } from "./late-judging.ts";
import { type IncidentEvents, judgeLive, type LiveJudgingParts, staleAtMs } from "./live-judging.ts";
import { WriteBehind, type WriteBehindEvents } from "./write-behind.ts";

/** How long judging waits for more windows of a node, ms: a tenth of what a person sees as at once. */
export const SETTLE_MS = 20;

/**
 * Share of the main thread that judging one node may take, 0 to 1: a node of 91 targets takes some 2.6 ms, and is
 * judged every 130 ms at most; one that was made to take 50 ms, every 2.5 s.
 */
const JUDGE_SHARE = 0.02;

/** Most time that a query may spend on judging nodes that wait, ms. */
const CATCH_UP_MS = 20;

/** What judging reports. */
export interface JudgingEvents {
  onJudged(durationNs: number): void;
  readonly onIncident: IncidentEvents["onIncident"];
  onOverflow(what: "write-behind-incidents" | "incidents"): void;
  readonly onOrphan: WriteBehindEvents["onOrphan"];
}

interface JudgingParts {
  readonly fleet: Pick<Fleet, "nodes">;
  readonly store: Pick<Store, "submit">;
  readonly scheduler: Pick<NodeScheduler, "run">;
  readonly clock: Clock;
  readonly contexts: JudgementContexts;
  readonly issuers: Pick<FleetIssuers, "observe">;
  readonly events: JudgingEvents;
}

/** Judges the fleet's nodes. */
export class Judging {
  readonly #parts: JudgingParts;
  readonly #writeBehind: WriteBehind;
  readonly #live: LiveJudgingParts;
  readonly #late: LateJudging;
  readonly #dirty = new Set<Node>();
  /** Those of them that wait for their turn. */
  readonly #queued = new Set<Node>();
  /** When a node may be judged again, ns. */
  readonly #restedAtNs = new Map<Node, number>();
  readonly #nextDueMs = new Map<Node, number>();
  #settling: Timer | undefined;
  #isFlushDue = false;

  constructor(parts: JudgingParts) {
    this.#parts = parts;
    this.#writeBehind = new WriteBehind(parts.store, parts.events);
    this.#live = { ...parts, writeBehind: this.#writeBehind };
    this.#late = new LateJudging({
      ...parts,
      writeBehind: this.#writeBehind,
      onClosed: (node) => this.touch(node),
    });
  }

  /** The node's windows or plan changed. */
  touch(node: Node): void {
    this.#dirty.add(node);
    this.#settling ??= this.#parts.clock.after(SETTLE_MS, () => this.#settle());
  }

  /** The node has connected again: its open incidents are where a backlog begins, if one follows. */
  beginBacklog(node: Node): void {
    this.#late.begin(node);
  }

  /** Judges late windows at their own time (late-judging.ts); resolves then. */
  async judgeLate(node: Node, windows: readonly Window[]): Promise<void> {
    await this.#late.add(node, windows);
    this.#flushSoon();
  }

  judge(node: Node): void {
    const { clock, events } = this.#parts;
    this.#dirty.delete(node);
    const beganNs = clock.monotonicNs();
    const wallMs = clock.wallMs();
    judgeLive(node, wallMs, this.#live);
    const nowMs = nodeNowMs(node, wallMs);
    this.#nextDueMs.set(node, wallMs + staleAtMs(node, nowMs) - nowMs);
    const endedNs = clock.monotonicNs();
    this.#restedAtNs.set(node, endedNs + (endedNs - beganNs) * (1 / JUDGE_SHARE - 1));
    events.onJudged(endedNs - beganNs);
  }

  /**
   * Judges nodes that wait, for {@link CATCH_UP_MS} at most: a query after an acknowledgement then sees what was
   * acknowledged. A fleet of more nodes than that is answered as far as it has been judged.
   */
  catchUp(): void {
    const { clock } = this.#parts;
    const untilNs = clock.monotonicNs() + CATCH_UP_MS * NS_PER_MS;
    for (const node of this.#dirty) {
      if (this.#isKnown(node)) this.judge(node);
      if (clock.monotonicNs() >= untilNs) break;
    }
  }

  /** To be called once a second: judges what has gone stale, writes what waits for the store. */
  tick(): void {
    const nowMs = this.#parts.clock.wallMs();
    for (const node of this.#nextDueMs.keys()) {
      if (this.#isKnown(node)) continue;
      this.#nextDueMs.delete(node);
      this.#restedAtNs.delete(node);
    }
    this.#late.endDrained((node) => this.#isKnown(node));
    for (const node of this.#parts.fleet.nodes.values()) {
      if ((this.#nextDueMs.get(node) ?? 0) <= nowMs) this.touch(node);
    }
    void this.flush();
  }

  /** Writes what waits for the store; resolves when the store has answered. */
  flush(): Promise<void> {
    return this.#writeBehind.flush();
  }

  stop(): void {
    this.#settling?.cancel();
  }

  #isKnown(node: Node): boolean {
    return this.#parts.fleet.nodes.get(node.nodeId) === node;
  }

  #settle(): void {
    const { clock, scheduler } = this.#parts;
    const nowNs = clock.monotonicNs();
    for (const node of this.#dirty) {
      if (this.#queued.has(node) || (this.#restedAtNs.get(node) ?? 0) > nowNs) continue;
      this.#queued.add(node);
      void scheduler.run("judging", node, () => this.#judgeInTurn(node));
    }
    this.#settling = this.#dirty.size > 0 ? clock.after(SETTLE_MS, () => this.#settle()) : undefined;
  }

  #judgeInTurn(node: Node): void {
    this.#queued.delete(node);
    if (!this.#dirty.has(node)) return;
    if (this.#isKnown(node)) this.judge(node);
    else this.#dirty.delete(node);
    this.#flushSoon();
  }

  /** Once for all that was judged in one slice. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      void this.flush();
    });
  }
}
