/**
 * The rows that the history of a node is made of.
 *
 * 1. Steps of ten seconds are the windows of reports. Longer steps are roll-ups, and beside them the windows of reports
 *    that wait for their roll-up. Both are read in one transaction, so that no window is in both, or in neither.
 * 2. What is before the cut is complete, over all targets.
 */
import { WINDOW_MS } from "@lifeline/window";
import type { HistoryExtent, HistoryQuery, HistoryRows } from "./history-record.ts";
import type { PendingRollups } from "./pending-rollups.ts";
import { stepStartMs } from "./rollup.ts";
import { bytesOf, type Statement } from "./statement.ts";

const HOUR_S = 3_600;

/**
 * How long a window may last and be found, ms: sixty times the usual length. The index is by end, so a search reaches
 * this far.
 */
const REACH_MS = 60 * WINDOW_MS;

/** Most waiting reports of a node that one answer looks through: five hours' worth, some 0.2 M rows of its windows. */
const MAX_WAITING = 2_048;

/**
 * Waiting reports whose targets count, the oldest ones: the targets of later reports are in the plan, or in a roll-up.
 */
const EXTENT_REPORTS = 128;

/** Which targets a node's past has, and where it begins. */
export function readHistoryExtent(statement: Statement, node: number): HistoryExtent {
  // One seek for each target: a scan of the hours would read all of them.
  const targets = statement(
    `WITH RECURSIVE rolled (target) AS (
       SELECT min(target) FROM rollups WHERE node = ?1 AND step_s = ${HOUR_S}
       UNION ALL
       SELECT (SELECT min(target) FROM rollups WHERE node = ?1 AND step_s = ${HOUR_S} AND target > rolled.target)
         FROM rolled WHERE rolled.target IS NOT NULL
     )
     SELECT target_id, (SELECT min(start_ms) FROM rollups WHERE node = ?1 AND step_s = ${HOUR_S} AND target = id) AS first_ms
       FROM targets WHERE id IN (SELECT target FROM rolled UNION SELECT target FROM windows
         WHERE report IN (SELECT report FROM pending_rollups WHERE node = ?1 ORDER BY received_ms LIMIT ${EXTENT_REPORTS}))
       ORDER BY target_id`,
  ).all(node);
  const firstWindow = statement("SELECT min(end_ms) AS end_ms FROM windows WHERE node = ?").get(node)?.end_ms;
  const firsts = targets.flatMap(({ first_ms }) => (first_ms === null ? [] : Number(first_ms)));
  if (typeof firstWindow === "number") firsts.push(stepStartMs(Math.max(0, firstWindow - REACH_MS), HOUR_S));
  return {
    targetIds: targets.map(({ target_id }) => String(target_id)),
    firstMs: firsts.length === 0 ? undefined : firsts.reduce((least, each) => Math.min(least, each)),
  };
}

/** The rows of the range, from the first that is kept, as far as one answer goes. */
export function readHistory(
  statement: Statement,
  pending: PendingRollups,
  node: number,
  query: HistoryQuery,
): HistoryRows {
  const { stepS, fromMs, toMs, spanMs, reportsMax } = query;
  const waiting = pending.of(node);
  const isRaw = stepS === 10;
  if (!isRaw && waiting > MAX_WAITING) return { kind: "pending", reports: waiting };
  const places: Places = isRaw ? rawPlaces(statement, node, query) : rolledPlaces(statement, node, query);
  const beginMs = places.firstMs(fromMs);
  if (beginMs === undefined || beginMs >= toMs) return EMPTY;
  const endMs = Math.min(toMs, beginMs + spanMs);
  const { reports, stoppedMs } = gathered(places.windows(beginMs, endMs), stepS, reportsMax);
  if (stoppedMs === beginMs) return { kind: "too-dense", startMs: beginMs };
  const cutMs = stoppedMs ?? (endMs < toMs ? places.firstMs(endMs) : undefined);
  return {
    kind: "found",
    rollups: places.rollups(beginMs, stoppedMs ?? endMs),
    reports,
    cutMs: cutMs !== undefined && cutMs < toMs ? cutMs : undefined,
  };
}

const EMPTY: HistoryRows = { kind: "found", rollups: [], reports: new Map(), cutMs: undefined };

interface PlacedWindow {
  readonly report: number;
  readonly position: number;
  readonly startMs: number;
}

type Rollups = Extract<HistoryRows, { kind: "found" }>["rollups"];

/** Finds windows for a step of history. All times are multiples of the step. */
interface Places {
  /** The step of the first window that began at `fromMs` or later; undefined: none did. */
  firstMs(fromMs: number): number | undefined;
  /** The windows in reports that began within the range, by time. */
  windows(beginMs: number, endMs: number): Iterable<PlacedWindow>;
  rollups(beginMs: number, endMs: number): Rollups;
}

function rawPlaces(statement: Statement, node: number, { stepS, toMs, targetIds }: HistoryQuery): Places {
  const named = JSON.stringify(targetIds);
  return {
    // The first window to end, of all targets: the first to begin lies no further back than a window can last.
    firstMs(fromMs) {
      const row = statement(
        `SELECT end_ms FROM windows WHERE node = ? AND end_ms >= ? AND end_ms < ? AND start_ms >= ? AND start_ms < ?
         ORDER BY end_ms LIMIT 1`,
      ).get(node, fromMs - REACH_MS, toMs + REACH_MS, fromMs, toMs);
      return row === undefined ? undefined : Math.max(fromMs, stepStartMs(Number(row.end_ms) - REACH_MS, stepS));
    },
    *windows(beginMs, endMs) {
      const rows = statement(
        `SELECT report, position, start_ms FROM windows
         WHERE node = ? AND end_ms >= ? AND end_ms < ? AND start_ms >= ? AND start_ms < ?
           AND target IN (SELECT id FROM targets WHERE target_id IN (SELECT value FROM json_each(?)))
         ORDER BY start_ms`,
      ).iterate(node, beginMs - REACH_MS, endMs + REACH_MS, beginMs, endMs, named);
      for (const row of rows) yield placed(row);
    },
    rollups: () => [],
  };
}

function rolledPlaces(statement: Statement, node: number, { stepS, fromMs, toMs, targetIds }: HistoryQuery): Places {
  const named = JSON.stringify(targetIds);
  const waiting = statement(
    `SELECT w.report, w.position, w.start_ms FROM pending_rollups p JOIN windows w ON w.report = p.report
     WHERE p.node = ? AND w.start_ms >= ? AND w.start_ms < ?
       AND w.target IN (SELECT id FROM targets WHERE target_id IN (SELECT value FROM json_each(?)))
     ORDER BY w.start_ms`,
  )
    .all(node, fromMs, toMs, named)
    .map(placed);
  return {
    firstMs(leastMs) {
      const row = statement(
        `SELECT min((SELECT start_ms FROM rollups WHERE node = ? AND step_s = ? AND target = id AND start_ms >= ?
           ORDER BY start_ms LIMIT 1)) AS first_ms FROM targets WHERE target_id IN (SELECT value FROM json_each(?))`,
      ).get(node, stepS, leastMs, named);
      const rolledMs = typeof row?.first_ms === "number" ? row.first_ms : Number.POSITIVE_INFINITY;
      const waitingMs = waiting.find(({ startMs }) => startMs >= leastMs)?.startMs ?? Number.POSITIVE_INFINITY;
      const firstMs = Math.min(rolledMs, stepStartMs(waitingMs, stepS));
      return firstMs === Number.POSITIVE_INFINITY ? undefined : firstMs;
    },
    windows: (beginMs, endMs) => waiting.filter(({ startMs }) => startMs >= beginMs && startMs < endMs),
    // CROSS JOIN: the targets first (SQLite, "Manual Control Of Query Plans"), or it reads all roll-ups that the node
    // ever had.
    rollups: (beginMs, endMs) =>
      statement(
        `SELECT t.target_id, r.start_ms, r.payload FROM targets t CROSS JOIN rollups r
           ON r.node = ? AND r.step_s = ? AND r.target = t.id AND r.start_ms >= ? AND r.start_ms < ?
         WHERE t.target_id IN (SELECT value FROM json_each(?))`,
      )
        .all(node, stepS, beginMs, endMs, named)
        .map((row) => ({
          targetId: String(row.target_id),
          startMs: Number(row.start_ms),
          payload: bytesOf(row.payload),
        })),
  };
}

/** Windows by report, by time, until there are too many reports; then without the step of the next window. */
function gathered(windows: Iterable<PlacedWindow>, stepS: number, reportsMax: number) {
  const reports = new Map<number, PlacedWindow[]>();
  let stoppedMs: number | undefined;
  for (const window of windows) {
    const known = reports.get(window.report);
    if (known !== undefined) known.push(window);
    else if (reports.size < reportsMax) reports.set(window.report, [window]);
    else {
      stoppedMs = stepStartMs(window.startMs, stepS);
      break;
    }
  }
  const beforeMs = stoppedMs ?? Number.POSITIVE_INFINITY;
  const positions = new Map<number, readonly number[]>();
  for (const [report, places] of reports) {
    const kept = places.filter(({ startMs }) => startMs < beforeMs).map(({ position }) => position);
    if (kept.length > 0) positions.set(report, kept);
  }
  return { reports: positions, stoppedMs };
}

function placed(row: Readonly<Record<string, unknown>>): PlacedWindow {
  return { report: Number(row.report), position: Number(row.position), startMs: Number(row.start_ms) };
}
