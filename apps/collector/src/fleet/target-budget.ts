/**
 * How many different targets a node may have within a day. A node's facts (resolvers, Machine API, proxy, prefix) name
 * endpoints, and each is a target with series, windows, roll-ups and incidents of its own. A node that changes them at
 * each Hello would create them without end (S2).
 *
 * 1. A target counts while it is planned, and for a day after. What is planned already stays planned.
 * 2. What does not fit is not measured, and its row says so: an open question, never a pass (M4).
 */
import type { Resolution, ResolvedRow } from "@lifeline/catalogue";
import { MAX_TARGETS_PER_NODE } from "@lifeline/wire";

/**
 * Most different targets of a node within {@link TARGET_DAY_MS}: as many as it may have at once. The default plan has
 * 96.
 */
export const DAY_TARGETS_MAX = MAX_TARGETS_PER_NODE;

/** How long a target counts after it was planned last, ms. */
export const TARGET_DAY_MS = 24 * 3_600_000;

const WHY = `the node has named other endpoints of this row within a day, and has ${DAY_TARGETS_MAX} targets by now`;
const NEXT =
  "find out why its resolvers, Machine API, proxy or SideroLink prefix keep changing; a day after they were left, new ones are measured";

/** The targets of one node. */
export class TargetBudget {
  /** When a target was planned last, ms since the epoch. */
  readonly #plannedMs = new Map<string, number>();
  #current: readonly string[] = [];

  /** The resolution without the targets for which there is no room at `nowMs`, and how many those are. */
  fit(resolution: Resolution, nowMs: number): { readonly resolution: Resolution; readonly leftOut: number } {
    for (const id of this.#current) this.#plannedMs.set(id, nowMs);
    for (const [id, atMs] of this.#plannedMs) {
      // By the distance: a clock that was ahead must not hold on to it for longer.
      if (Math.abs(nowMs - atMs) >= TARGET_DAY_MS) this.#plannedMs.delete(id);
    }
    let leftOut = 0;
    const hasRoom = (id: string): boolean => {
      const fits = this.#plannedMs.has(id) || this.#plannedMs.size < DAY_TARGETS_MAX;
      if (fits) this.#plannedMs.set(id, nowMs);
      else leftOut += 1;
      return fits;
    };
    const rows = resolution.rows.map((row) => fitted(row, hasRoom));
    this.#current = rows.flatMap((row) => (row.kind === "targets" ? row.targets.map(({ id }) => id) : []));
    return { resolution: { ...resolution, rows }, leftOut };
  }
}

function fitted(row: ResolvedRow, hasRoom: (id: string) => boolean): ResolvedRow {
  if (row.kind !== "targets") return row;
  const targets = row.targets.filter(({ id }) => hasRoom(id));
  if (targets.length === row.targets.length) return row;
  const comparisonIds = row.comparisonIds.filter((id) => targets.some((target) => target.id === id));
  // What is only compared must not stand for the row.
  if (targets.length === comparisonIds.length) {
    return { requirement: row.requirement, kind: "unresolved", why: WHY, next: NEXT };
  }
  const left = row.targets.filter((target) => !targets.includes(target));
  const skipped = left.map(({ host, family }) => ({ host, family, why: WHY }));
  const thirdPartyIds = row.thirdPartyIds.filter((id) => targets.some((target) => target.id === id));
  return { ...row, targets, comparisonIds, thirdPartyIds, skipped: [...row.skipped, ...skipped] };
}
