/**
 * Whether anything may be deleted by its age now. Deleting cannot be undone, and a clock may be wrong by years.
 *
 * A round of the retention job runs only while all of these hold:
 * 1. The collector's wall clock and its monotonic clock have advanced alike for an hour. The design requires it "since
 *    the last round"; the hour is for a time server that sets all clocks wrong at once and right again. The first hour
 *    after a start counts as unproven: the nodes that were there before get the time to come back.
 * 2. At least one node reported within the last hour. Without nodes nothing confirms the collector's clock, and the
 *    nodes may be missing because it is wrong: it takes their certificates for ended. Nothing grows meanwhile: rows
 *    come from nodes, which report when they bring them, and what people create is bounded by itself
 *    (identity-limits.ts).
 * 3. The collector's clock is less than a day from the median of the clocks of those nodes. Of an even number both in
 *    the middle count.
 *
 * Each check compares with the check before it, whatever came of that, so that one step holds pruning up for an hour
 * and not for good. Out of reach: the collector and half of its nodes wrong by the same error for over an hour.
 *
 * The monotonic clock stands still while a host is suspended. That looks like a step, and is treated as one.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Node } from "../fleet/node.ts";

/** How long clocks must have advanced alike, and how far back a node's clock sample counts, ms: an hour. */
const GUARD_HOUR_MS = 3_600_000;

/**
 * How much more one clock may advance than the other between two checks, ms: a drift of 500 ppm (adjtimex(2)) is 30 ms
 * a minute.
 */
const ALIKE_WITHIN_MS = 60_000;

/** From how far apart on the collector's clock and the nodes' median disagree, ms: a day. No age is counted in less. */
const DISAGREE_FROM_MS = 24 * 3_600_000;

/** Why nothing is pruned. */
export const BLOCKED_REASONS = ["clocks-differ", "clock-stepped", "starting", "no-recent-report"] as const;
export type BlockedReason = (typeof BLOCKED_REASONS)[number];

/** What a check found. */
type GuardResult =
  | { readonly kind: "open"; readonly nowMs: number }
  | { readonly kind: "blocked"; readonly reason: BlockedReason };

/** A node whose clock counts. */
export type SampledNode = Pick<Node, "clockSample">;

export class RetentionGuard {
  readonly #clock: Clock;
  readonly #nodes: ReadonlyMap<string, SampledNode>;
  #apartMs: number;
  #alikeSinceNs: number;
  #unproven: "starting" | "clock-stepped" = "starting";

  constructor(clock: Clock, nodes: ReadonlyMap<string, SampledNode>) {
    this.#clock = clock;
    this.#nodes = nodes;
    this.#apartMs = this.#apartNowMs();
    this.#alikeSinceNs = clock.monotonicNs();
  }

  /** Compares the clocks. Call it once a minute, whatever the last answer was. */
  check(): GuardResult {
    this.#watchSteps();
    const nowMs = Math.floor(this.#clock.wallMs());
    const medians = this.#mediansMs();
    const blocked = (reason: BlockedReason): GuardResult => ({ kind: "blocked", reason });
    if (medians.some((medianMs) => Math.abs(medianMs - nowMs) >= DISAGREE_FROM_MS)) return blocked("clocks-differ");
    const alikeNs = this.#clock.monotonicNs() - this.#alikeSinceNs;
    if (alikeNs < GUARD_HOUR_MS * NS_PER_MS) return blocked(this.#unproven);
    return medians.length === 0 ? blocked("no-recent-report") : { kind: "open", nowMs };
  }

  /**
   * What the nodes' clocks read now: their median, of an even number the earlier one, ms. Undefined: no node reported
   * within the hour.
   */
  fleetMs(): number | undefined {
    return this.#mediansMs()[0];
  }

  #watchSteps(): void {
    const apartMs = this.#apartNowMs();
    if (Math.abs(apartMs - this.#apartMs) > ALIKE_WITHIN_MS) {
      this.#alikeSinceNs = this.#clock.monotonicNs();
      this.#unproven = "clock-stepped";
    }
    this.#apartMs = apartMs;
  }

  /** The one or two clocks in the middle; none when no node reported within the hour. */
  #mediansMs(): readonly number[] {
    const nowNs = this.#clock.monotonicNs();
    const readings = [...this.#nodes.values()]
      .flatMap(({ clockSample }) => {
        const ageNs = nowNs - (clockSample?.atNs ?? Number.NEGATIVE_INFINITY);
        return clockSample === undefined || ageNs > GUARD_HOUR_MS * NS_PER_MS
          ? []
          : [clockSample.sentMs + ageNs / NS_PER_MS];
      })
      .sort((a, b) => a - b);
    const { length } = readings;
    return readings.slice(Math.floor((length - 1) / 2), Math.floor(length / 2) + 1);
  }

  #apartNowMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicNs() / NS_PER_MS;
  }
}
