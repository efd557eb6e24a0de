/**
 * Whether anything may be deleted by its age now. Deleting cannot be undone, and a clock may be wrong by years.
 *
 * A round of the retention job runs only while all of these hold:
 * 1. The collector's wall clock and its monotonic clock have advanced alike for an hour. The design requires it "since
 *    the last round"; the hour is for a time server that sets all clocks wrong at once and right again. The first hour
 *    after a start counts as unproven: the nodes that were there before get the time to come back.
 * 2. Of the nodes that reported within the last week at least half, and at least one, reported within the last hour.
 *    Nodes may be missing because the collector's clock is wrong: it takes their certificates for ended. Without nodes
 *    nothing grows: rows come from nodes, and what people create is bounded by itself (identity-limits.ts). A fleet
 *    that shrinks by more than half is pruned again after a week.
 * 3. The collector's clock is less than a day from the median of the clocks of those nodes. Of an even number both in
 *    the middle count.
 *
 * Each check compares with the check before it, whatever came of that, so that one step holds pruning up for an hour
 * and not for good. Out of reach: the collector and half of its nodes wrong by the same error for over an hour; after a
 * start, the collector and half of the nodes that report in its first hour.
 *
 * The monotonic clock stands still while a host is suspended. That looks like a step, and is treated as one.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Node } from "../fleet/node.ts";

/** How long clocks must have advanced alike, and how far back a node's clock sample counts, ms: an hour. */
const GUARD_HOUR_MS = 3_600_000;

/** How far back a node counts as one that should report, hours: a week, longer than a weekend's outage. */
const EXPECTED_HOURS = 7 * 24;

/**
 * How much more one clock may advance than the other between two checks, ms: a drift of 500 ppm (adjtimex(2)) is 30 ms
 * a minute.
 */
const ALIKE_WITHIN_MS = 60_000;

/** From how far apart on the collector's clock and the nodes' median disagree, ms: a day. No age is counted in less. */
const DISAGREE_FROM_MS = 24 * 3_600_000;

/** Why nothing is pruned. */
export const BLOCKED_REASONS = ["clocks-differ", "clock-stepped", "starting", "too-few-reports"] as const;
export type BlockedReason = (typeof BLOCKED_REASONS)[number];

/** What a check found. */
type GuardResult =
  | { readonly kind: "open"; readonly nowMs: number }
  | { readonly kind: "blocked"; readonly reason: BlockedReason };

/** A node whose clock counts. */
export type SampledNode = Pick<Node, "roughClockSample">;

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
    return this.#hasQuorum() ? { kind: "open", nowMs } : blocked("too-few-reports");
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

  /** Whether half of the nodes of the last week, and at least one, reported within the hour. */
  #hasQuorum(): boolean {
    const reporting = this.#clocksMs(1).length;
    return reporting > 0 && 2 * reporting >= this.#clocksMs(EXPECTED_HOURS).length;
  }

  /** The one or two clocks in the middle; none when no node reported within the hour. */
  #mediansMs(): readonly number[] {
    const clocksMs = this.#clocksMs(1).sort((a, b) => a - b);
    const { length } = clocksMs;
    return clocksMs.slice(Math.floor((length - 1) / 2), Math.floor(length / 2) + 1);
  }

  /** What the clocks of the nodes that reported within so many hours read now, ms. */
  #clocksMs(withinHours: number): number[] {
    const nowNs = this.#clock.monotonicNs();
    return [...this.#nodes.values()].flatMap(({ roughClockSample: sample }) => {
      if (sample === undefined) return [];
      const ageNs = nowNs - sample.atNs;
      return ageNs > withinHours * GUARD_HOUR_MS * NS_PER_MS ? [] : [sample.sentMs + ageNs / NS_PER_MS];
    });
  }

  #apartNowMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicNs() / NS_PER_MS;
  }
}
