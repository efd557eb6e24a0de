/** How long each level of the past is kept. By when a report arrived, not by its own dates: a clock may have been years ahead. */
import type { Config } from "./config.ts";
import type { HistoryStepS } from "./store/record.ts";

/** What is kept, for how many days. */
export type Retention = Pick<Config, "retentionDays" | "minuteRetentionDays" | "hourRetentionDays">;

const MS_PER_DAY = 24 * 3_600_000;

/** What arrived before this is forgotten, by the step in which it is kept; ms since the epoch, whole. */
export function forgottenBeforeMs(retention: Retention, wallMs: number): Readonly<Record<HistoryStepS, number>> {
  const ago = (days: number) => Math.round(wallMs - days * MS_PER_DAY);
  return {
    10: ago(retention.retentionDays),
    60: ago(retention.minuteRetentionDays),
    3600: ago(retention.hourRetentionDays),
  };
}
