/**
 * Who has the main thread when it is wanted by many: work for nodes runs in turns, in slices between which the event loop goes round.
 *
 * 1. A node's work of one kind keeps its order. Between nodes, whoever has used least of late goes first (fair-queue.ts).
 * 2. What a node's work takes is measured, and is part of its quota.
 * 3. One piece of work is not divided: it is what one report, or one judgement of one node, takes.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Node } from "../fleet/node.ts";
import { FairQueue } from "./fair-queue.ts";
import { spendTime } from "./quota.ts";

/** What is so little that nobody need wait for it, ns: opening and counting twenty reports of 96 windows, at 0.7 ms each. */
const LITTLE_NS = 16 * NS_PER_MS;

/** How long the event loop waits at most for more than one piece of work, ms: an acknowledgement goes round it a few times. */
const SLICE_MS = 5;

/** Whose work it is. */
export type Owner = Pick<Node, "nodeId" | "quota">;

/** What is done: a report waits for its acknowledgement, whatever judging its node has taken. */
export type WorkKind = "report" | "judging";

interface Work {
  readonly owner: Owner;
  readonly run: () => void;
}

/** The main thread's time, shared among nodes. */
export class Turns {
  readonly #clock: Pick<Clock, "monotonicNs">;
  readonly #waiting: FairQueue<Work>;
  #isRunning = false;

  constructor(clock: Pick<Clock, "monotonicNs">) {
    this.#clock = clock;
    this.#waiting = new FairQueue(clock, LITTLE_NS);
  }

  /** Pieces of work that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Runs `work` when the turn of such work of the node comes; resolves with what it gives, rejects with what it throws. */
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
