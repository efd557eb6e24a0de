/** Rolls reports up, a few at a time, so that acknowledgements do not wait for it. */
import type { Clock } from "@lifeline/measure";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { Store } from "../store/store.ts";

/**
 * How long a report waits at most, ms; a node that brings {@link ROLL_UP_REPORTS} sooner is due sooner. Until then
 * history reads the report itself.
 */
const ROLL_UP_AFTER_MS = 600_000;

/**
 * Most reports of one step, and how many make a node due: five minutes of its reports. More at once would write each
 * hour less often, and delay the reports behind them for longer: 32 of 91 targets take some 50 ms (BUDGETS.md).
 */
export const ROLL_UP_REPORTS = 32;

/** Pause between steps while there is more to do, and between checks when there is not, ms. */
const STEP_PAUSE_MS = 50;
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
    // A failed transaction changed nothing. The store's events count it, and the next step tries again.
    void step()
      .catch(() => 0)
      .then((reports) => {
        if (!stopped) timer = clock.after(reports > 0 ? STEP_PAUSE_MS : IDLE_MS, round);
      });
  };
  let timer = clock.after(STEP_PAUSE_MS, round);
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}
