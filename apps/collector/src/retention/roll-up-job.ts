/** When reports are rolled up: a little at a time, so that what agents wait for does not wait for it. */
import type { Clock } from "@lifeline/measure";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { Store } from "../store/store.ts";

/** How long a report waits at most, ms; a node that brings {@link ROLL_UP_REPORTS} sooner is due sooner. What waits is told from the reports. */
export const ROLL_UP_AFTER_MS = 600_000;

/**
 * Most reports of one step, and how many make a node due: five minutes of it. More at once touch each hour less often, and hold up
 * the reports behind them for longer: 32 of 91 targets take some 50 ms (BUDGETS.md).
 */
export const ROLL_UP_REPORTS = 32;

/** Between steps while there is more to do, and between looks when there is not, ms. */
const BREATH_MS = 50;
const IDLE_MS = 10_000;

/** Rolls up until it is stopped. */
export function startRollUps(store: Store, clock: Clock, metrics: SelfMetrics): { stop(): void } {
  let stopped = false;
  const step = async (): Promise<number> => {
    const dueBeforeMs = Math.round(clock.wallMs()) - ROLL_UP_AFTER_MS;
    const rolled = await store.submit("rollUp", { dueBeforeMs, limit: ROLL_UP_REPORTS });
    metrics.rolledReports.inc(rolled.reports);
    metrics.undecodable.inc(rolled.undecodable);
    metrics.rollupOverflows.inc(rolled.overflows);
    metrics.pendingRollups.set(rolled.pending);
    return rolled.reports;
  };
  const round = () => {
    // A transaction that failed is counted by the store's events; nothing of it happened, and it comes again.
    void step()
      .catch(() => 0)
      .then((reports) => {
        if (!stopped) timer = clock.after(reports > 0 ? BREATH_MS : IDLE_MS, round);
      });
  };
  let timer = clock.after(BREATH_MS, round);
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}
