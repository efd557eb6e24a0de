/** The one answer for a script: is everything that must be met, met? */
import type { RowVerdict } from "./row.ts";

/**
 * Whether every required row is met.
 *
 * - Optional rows do not count, nor do rows that are not applicable: a family the name has no address of, a condition that
 *   does not hold. So a requirement is met by the families its hosts have, every probe of each.
 * - Degraded, unmet and unknown rows are not met.
 * - Without a single row that counts nothing has been shown, and the answer is no (M4).
 */
export function requiredRowsMet(rows: readonly Pick<RowVerdict, "required" | "verdict">[]): boolean {
  const counting = rows.filter(({ required, verdict }) => required && verdict !== "not-applicable");
  return counting.length > 0 && counting.every(({ verdict }) => verdict === "met");
}
