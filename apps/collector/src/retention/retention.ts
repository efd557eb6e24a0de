/** How long each level of the past is kept, from the hour in which it was stored (storage-hours.ts). */
import type { Config } from "../config/config.ts";
import type { HistoryStepS } from "../store/history-record.ts";

/** What is kept, for how many days. */
export type Retention = Pick<Config, "retentionDays" | "minuteRetentionDays" | "hourRetentionDays">;

const MS_PER_DAY = 24 * 3_600_000;

/** What was stored before this is deleted at `nowMs`, by the step in which it is kept; ms since the epoch, whole. */
export function pruneBeforeMs(retention: Retention, nowMs: number): Readonly<Record<HistoryStepS, number>> {
  const ago = (days: number) => Math.round(nowMs - days * MS_PER_DAY);
  return {
    10: ago(retention.retentionDays),
    60: ago(retention.minuteRetentionDays),
    3600: ago(retention.hourRetentionDays),
  };
}
