/**
 * When the collector's own wall clock was set. A node's clock is known by how far it is from this one, and that changes with each step: until
 * the node speaks again it would be judged days too early or too late, and one that is silent would keep the verdicts it had.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Node } from "./fleet.ts";

/** From how much between two looks on it is a step, ms: what runs too fast or too slow is less by far (500 ppm, adjtimex(2)). */
export const STEP_MIN_MS = 1_000;

/** As much of a node as follows a step. */
export type SteppedNode = Pick<Node, "clockTold" | "clockOffsetMs">;

/** Looks for steps. */
export class ClockSteps {
  readonly #clock: Pick<Clock, "wallMs" | "monotonicNs">;
  #apartMs: number;

  constructor(clock: Pick<Clock, "wallMs" | "monotonicNs">) {
    this.#clock = clock;
    this.#apartMs = this.#apartNowMs();
  }

  /** How far the wall clock was set since the last look, ms, positive: ahead; 0: it was not. To be asked once a second. */
  look(): number {
    const apartMs = this.#apartNowMs();
    const stepMs = Math.round(apartMs - this.#apartMs);
    this.#apartMs = apartMs;
    return Math.abs(stepMs) < STEP_MIN_MS ? 0 : stepMs;
  }

  /** Brings the offsets of the nodes' clocks after a step. What a node has told since the start goes on by the monotonic clock. */
  follow(nodes: Iterable<SteppedNode>, stepMs: number): void {
    const nowNs = this.#clock.monotonicNs();
    for (const node of nodes) {
      const { clockTold, clockOffsetMs } = node;
      if (clockOffsetMs === undefined) continue;
      const readsMs = clockTold && clockTold.sentMs + (nowNs - clockTold.atNs) / NS_PER_MS;
      node.clockOffsetMs = Math.round(readsMs === undefined ? clockOffsetMs + stepMs : this.#clock.wallMs() - readsMs);
    }
  }

  #apartNowMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicNs() / NS_PER_MS;
  }
}
