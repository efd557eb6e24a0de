/**
 * Deletes what is older than its retention, a little at a time, and only while the guard is open (retention-guard.ts).
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import type { Logger } from "pino";
import type { SelfMetrics } from "../export/self-metrics.ts";
import { type Fleet, MAX_NODES } from "../fleet/fleet.ts";
import type { Node } from "../fleet/node.ts";
import { RENEW_WITHIN_MS } from "../identity/enrol-service.ts";
import type { Registry } from "../identity/registry.ts";
import type { FleetIssuers } from "../judging/fleet-issuer.ts";
import type { Store } from "../store/store.ts";
import { pruneBeforeMs, type Retention } from "./retention.ts";
import { BLOCKED_REASONS, type BlockedReason, RetentionGuard } from "./retention-guard.ts";

/** Time between rounds, ms. */
const EVERY_MS = 60_000;

/** Most reports that one step deletes: with the roll-ups of as many some 70 ms, which a commit may wait for. */
const STEP_REPORTS = 250;

/**
 * Steps of a round while there is more to delete: six million reports an hour, where 10,000 nodes bring 3.6 million.
 */
const STEPS = 400;

/** How long an hour of the store lasts at least, ms. A row may be kept by so much longer than its retention. */
const HOUR_MS = 3_600_000;

/** How long a join token is kept after its end, ms: 90 days, for those who look up by which token a node enrolled. */
const JOIN_TOKEN_KEPT_MS = 90 * 24 * 3_600_000;

const MS_PER_S = 1_000;

/** What to do about each reason, for the log. */
const BLOCKED_MESSAGES: Readonly<Record<BlockedReason, string>> = {
  starting: "nothing is pruned in the first hour after a start",
  "clock-stepped": "the collector's clock was set; nothing is pruned until it has run evenly for an hour",
  "too-few-reports":
    "fewer than half of the nodes of the last week reported in the last hour, so nothing confirms the collector's clock; pruning waits until more report",
  "clocks-differ":
    "the collector's clock and the median of the nodes' clocks differ by a day or more; nothing is pruned; set the wrong clocks right",
};

interface RetentionParts {
  readonly fleet: Pick<Fleet, "prune"> & {
    readonly nodes: ReadonlyMap<string, Pick<Node, "nodeId" | "session" | "roughClockSample">>;
  };
  readonly issuers: Pick<FleetIssuers, "prune">;
  readonly registry: Pick<Registry, "prune">;
  readonly store: Pick<Store, "submit">;
  readonly retention: Retention;
  readonly selfMetrics: Pick<SelfMetrics, "clockOffset" | "prunedRows" | "retentionBlocked" | "retentionLastRun">;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "warn">;
  /** When retention ran last, ms since the epoch; before the first time, when the collector started. */
  readonly lastRunMs: number;
}

/** Runs a round a minute between {@link RetentionJob.start} and {@link RetentionJob.stop}. */
export class RetentionJob {
  readonly #parts: RetentionParts;
  readonly #guard: RetentionGuard;
  #timer: Timer | undefined;
  #isStopped = false;
  #hourClosedNs = Number.NEGATIVE_INFINITY;
  #blocked: BlockedReason | undefined;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#guard = new RetentionGuard(parts.clock, parts.fleet.nodes);
    parts.selfMetrics.retentionLastRun.set(parts.lastRunMs / MS_PER_S);
    this.#note("starting");
  }

  start(): void {
    this.#timer = this.#parts.clock.after(EVERY_MS, async () => {
      await this.round();
      if (!this.#isStopped) this.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /**
   * One round. Never rejects: a transaction that fails is counted and logged by the store's events, and the next round
   * tries again.
   */
  async round(): Promise<void> {
    const { issuers, selfMetrics, clock } = this.#parts;
    issuers.prune(clock.wallMs());
    const result = this.#guard.check();
    selfMetrics.clockOffset.set(((this.#guard.fleetMs() ?? Number.NaN) - clock.wallMs()) / MS_PER_S);
    this.#note(result.kind === "blocked" ? result.reason : undefined);
    if (result.kind === "open") await this.#prune(result.nowMs).catch(() => undefined);
  }

  /** Shows whether pruning is blocked and why; logs each change. */
  #note(reason: BlockedReason | undefined): void {
    const { selfMetrics, log } = this.#parts;
    if (reason === this.#blocked) return;
    for (const each of BLOCKED_REASONS) selfMetrics.retentionBlocked.set({ reason: each }, each === reason ? 1 : 0);
    this.#blocked = reason;
    if (reason === undefined) log.info("the clocks agree; pruning goes on");
    else log[reason === "starting" ? "info" : "warn"]({ reason }, BLOCKED_MESSAGES[reason]);
  }

  /** One round at that time, ms since the epoch. No other clock is read: it may be set while the round runs. */
  async #prune(nowMs: number): Promise<void> {
    const { fleet, registry, store, retention, selfMetrics } = this.#parts;
    const levels = pruneBeforeMs(retention, nowMs);
    await this.#hourly(nowMs, levels[3_600]);
    // From memory first: nothing is written for a node that the store is about to delete.
    const away = [...fleet.nodes.values()].filter(({ session }) => session === undefined);
    const nodeIds = away.map(({ nodeId }) => nodeId);
    fleet.prune(await store.submit("silentNodes", { nodeIds, beforeMs: levels[10] }));
    const { 10: beforeMs, 60: minuteBeforeMs, 3_600: hourBeforeMs } = levels;
    for (let step = 0; step < STEPS && !this.#isStopped; step++) {
      const input = { beforeMs, minuteBeforeMs, hourBeforeMs, reports: STEP_REPORTS };
      const deleted = await store.submit("prune", input);
      selfMetrics.prunedRows.inc(deleted);
      if (deleted === 0) break;
    }
    await registry.prune(nowMs - RENEW_WITHIN_MS);
    selfMetrics.retentionLastRun.set(nowMs / MS_PER_S);
  }

  /** Closes the store's hour when it has lasted for one; deletes what is looked for once an hour. */
  async #hourly(nowMs: number, hourBeforeMs: number): Promise<void> {
    const { store, clock } = this.#parts;
    const nowNs = clock.monotonicNs();
    if (nowNs - this.#hourClosedNs < HOUR_MS * NS_PER_MS) return;
    const tokensEndedMs = nowMs - JOIN_TOKEN_KEPT_MS;
    // What is stored while this waits for the store is of the hour too: it ends by the next round.
    const keepFromMs = Math.min(hourBeforeMs, tokensEndedMs);
    await store.submit("closeHour", { endedMs: nowMs + EVERY_MS, keepFromMs });
    await store.submit("pruneJoinTokens", { endedBeforeMs: tokensEndedMs });
    await store.submit("pruneNodes", { beforeMs: hourBeforeMs, limit: MAX_NODES });
    this.#hourClosedNs = nowNs;
  }
}
