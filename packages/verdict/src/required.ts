/** Whether everything that must be met is met. */
import type { RowVerdict } from "./row.ts";

/**
 * Whether every required row is met.
 *
 * - Optional rows and rows that are not applicable do not count. So a requirement is met when every probe passes over
 *   every address family that its hosts have.
 * - Degraded, unmet and unknown rows are not met.
 * - Without a row that counts the answer is no, because nothing was shown (M4).
 */
export function requiredRowsMet(rows: readonly Pick<RowVerdict, "required" | "verdict">[]): boolean {
  const counting = rows.filter(({ required, verdict }) => required && verdict !== "not-applicable");
  return counting.length > 0 && counting.every(({ verdict }) => verdict === "met");
}
