/**
 * Shares the main thread among nodes: their work runs in turns, and the event loop runs between slices of it.
 *
 * 1. A node's work of one kind keeps its order. Among nodes, the one that has used least time recently goes first
 *    (fair-queue.ts).
 * 2. The time that a node's work takes is measured and charged to its quota.
 * 3. One piece of work is one report, or one judgement of one node. It is not divided.
 *
 * rpc's RateLimitedScheduler is another one: it limits the rate of work that connections cause, before their node is
 * known.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Node } from "../fleet/node.ts";
import { FairQueue } from "./fair-queue.ts";
import { spendTime } from "./quota.ts";

/**
 * Use of time that does not change the order, ns: opening and counting twenty reports of 96 windows, at 0.7 ms each.
 */
const LITTLE_NS = 16 * NS_PER_MS;

/**
 * How long several pieces of work may run before the event loop does, ms. An acknowledgement needs a few rounds of the
 * loop.
 */
const SLICE_MS = 5;

/** Whose work it is. */
export type Owner = Pick<Node, "nodeId" | "quota">;

/** Kinds of work. Each has its own order, so that judging a node does not delay its reports. */
export type WorkKind = "report" | "judging";

interface Work {
  readonly owner: Owner;
  readonly run: () => void;
}

export class NodeScheduler {
  readonly #clock: Pick<Clock, "monotonicNs">;
  readonly #waiting: FairQueue<Work>;
  #isRunning = false;

  constructor(clock: Pick<Clock, "monotonicNs">) {
    this.#clock = clock;
    this.#waiting = new FairQueue(clock, LITTLE_NS);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Runs `work` when the turn of such work of the node comes; resolves with what it gives, rejects with what it throws.
   */
  run<T>(kind: WorkKind, owner: Owner, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push(`${kind} ${owner.nodeId}`, { owner, run });
      if (this.#isRunning) return;
      this.#isRunning = true;
      setImmediate(() => this.#slice());
    });
  }

  #slice(): void {
    const untilNs = this.#clock.monotonicNs() + SLICE_MS * NS_PER_MS;
    while (this.#waiting.serve((work) => this.#piece(work))) {
      if (this.#clock.monotonicNs() < untilNs) continue;
      setImmediate(() => this.#slice());
      return;
    }
    this.#isRunning = false;
  }

  /** Runs one piece; how long it took, ns. */
  #piece({ owner, run }: Work): number {
    const beganNs = this.#clock.monotonicNs();
    run();
    const tookNs = this.#clock.monotonicNs() - beganNs;
    spendTime(owner.quota, tookNs);
    return tookNs;
  }
}
