/** When what is older than its time is forgotten: a little at a time, by what time it surely is (time-bounds.ts). */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { CollectorVitals } from "../export/self-metrics.ts";
import { type Fleet, MAX_NODES } from "../fleet/fleet.ts";
import { RENEW_WITHIN_MS } from "../identity/enrol-service.ts";
import type { Registry } from "../identity/registry.ts";
import type { FleetIssuers } from "../judging/fleet-issuer.ts";
import type { Store } from "../store/store.ts";
import { forgottenBeforeMs, type Retention } from "./retention.ts";
import { createTimekeeper, type TimeBounds } from "./time-bounds.ts";

/** Time between rounds, ms, and most reports that one of their steps deletes: with the roll-ups of as many some 70 ms, which a commit may wait for. */
const EVERY_MS = 60_000;
const REPORTS = 250;

/** Steps of a round while there is more to forget: six million reports an hour, where 10,000 nodes bring 3.6 million. */
const STEPS = 400;

/** Between moments that the store notes, ms: by so much longer than its time something may be kept. */
const MOMENTS_EVERY_MS = 3_600_000;

/** How long a join token is kept after its end, ms: 90 days, for whoever asks by which a node came in. */
const JOIN_TOKEN_KEPT_MS = 90 * 24 * 3_600_000;

const MS_PER_S = 1_000;

export interface ForgettingParts {
  readonly fleet: Fleet;
  readonly issuers: FleetIssuers;
  readonly registry: Registry;
  readonly store: Store;
  readonly retention: Retention;
  readonly vitals: CollectorVitals;
  readonly clock: Clock;
  /** What time it was at the earliest when that was noted last, ms since the epoch. */
  readonly lastMomentMs: number;
}

type Levels = ReturnType<typeof forgottenBeforeMs>;

/** Forgets until it is stopped. */
export function startForgetting(parts: ForgettingParts): { stop(): void } {
  const { fleet, issuers, registry, store, retention, vitals, clock } = parts;
  const timekeeper = createTimekeeper(clock, fleet.nodes);
  vitals.forgettingTime.set(parts.lastMomentMs / MS_PER_S);
  let stopped = false;
  let notedAtNs = Number.NEGATIVE_INFINITY;
  const prune = async (levels: Levels, steps: number): Promise<void> => {
    const { 10: beforeMs, 60: minuteBeforeMs, 3_600: hourBeforeMs } = levels;
    const deleted = await store.submit("prune", { beforeMs, minuteBeforeMs, hourBeforeMs, reports: REPORTS });
    vitals.prunedRows.inc(deleted);
    if (deleted > 0 && steps > 1 && !stopped) return prune(levels, steps - 1);
  };
  /** What is due once an hour. */
  const note = async (levels: Levels, tokensEndedMs: number): Promise<void> => {
    const nowNs = clock.monotonicNs();
    if (nowNs - notedAtNs < MOMENTS_EVERY_MS * NS_PER_MS) return;
    const mark = await store.submit("nextMoment", {});
    // Read after the store has answered: what has the mark was written before.
    const bounds = timekeeper.look();
    if (bounds === undefined) return;
    await store.submit("noteMoment", { mark, ...bounds, tellsFromMs: Math.min(levels[3_600], tokensEndedMs) });
    await store.submit("pruneJoinTokens", { endedBeforeMs: tokensEndedMs });
    await store.submit("forgetNodes", { beforeMs: levels[3_600], limit: MAX_NODES });
    notedAtNs = nowNs;
  };
  const forget = async ({ earliestMs }: TimeBounds): Promise<void> => {
    const levels = forgottenBeforeMs(retention, earliestMs);
    await note(levels, earliestMs - JOIN_TOKEN_KEPT_MS);
    // From memory first: nothing is written for a node that the store is about to forget.
    const away = [...fleet.nodes.values()].filter(({ session }) => session === undefined);
    const nodeIds = away.map(({ nodeId }) => nodeId);
    fleet.forget(await store.submit("silentNodes", { nodeIds, beforeMs: levels[10] }));
    await prune(levels, STEPS);
    await registry.forget(earliestMs - RENEW_WITHIN_MS);
    vitals.forgettingTime.set(earliestMs / MS_PER_S);
  };
  const round = () => {
    issuers.forgetStale(clock.wallMs());
    const bounds = timekeeper.look();
    vitals.clockOffset.set(((timekeeper.fleetMs() ?? Number.NaN) - clock.wallMs()) / MS_PER_S);
    // A failed transaction is counted by the store's events; the next round tries again.
    const forgotten = bounds === undefined ? Promise.resolve() : forget(bounds).catch(() => undefined);
    void forgotten.finally(() => {
      if (!stopped) timer = clock.after(EVERY_MS, round);
    });
  };
  let timer = clock.after(EVERY_MS, round);
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}
