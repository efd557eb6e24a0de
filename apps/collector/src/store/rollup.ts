/**
 * Windows of ten seconds merged into those of a minute and of an hour.
 *
 * 1. A window belongs to the minute and the hour in which it began, by the agent's clock, as verdicts and incidents do.
 * 2. Merging is exact and in any order (W1), so the result is the same however reports arrive, and a late backlog is no
 *    special case.
 * 3. A report's windows are merged and it leaves the pending ones in one transaction: once in effect, whatever ends the
 *    process.
 * 4. Only indexed windows are rolled up, which are those of planned targets: a node cannot make up rows (S2).
 *
 * The last sample and the last bad sample are left out. They take half of a window's bytes, no figure is computed from
 * them, reports hold them as long as reports are kept, and an incident keeps its evidence.
 */
import { mergeAllWindows, NO_ADDRESSES, type Window } from "@lifeline/window";
import { decodeReport, decodeWindow, encodeWindow } from "@lifeline/wire";
import type { HistoryStepS, RolledUp } from "./history-record.ts";
import type { PendingReport, PendingRollups } from "./pending-rollups.ts";
import { bytesOf, type Statement } from "./statement.ts";
import type { StoreOperations } from "./store-operations.ts";

/** The steps of what is rolled up. */
export const MINUTE_S = 60 satisfies HistoryStepS;
export const HOUR_S = 3_600 satisfies HistoryStepS;

/** Most report bytes opened in one step: a large node's 64 reports are some 2 MB. */
const MAX_STEP_BYTES = 8 * 1024 * 1024;

/**
 * Windows after which a step opens no further report: 32 reports of 96 windows, which take some 60 ms. What is stored
 * meanwhile waits for so long.
 */
const MAX_STEP_WINDOWS = 3_072;

/**
 * Roll-ups deleted for each report of a prune step: a minute of a node brings six reports and a row for each of some
 * sixty targets.
 */
const ROLLUPS_PER_REPORT = 10;

/**
 * A window without its last samples, as roll-ups keep it. Merging such windows gives the same as merging first (a
 * homomorphism).
 */
export function aggregateOf(window: Window): Window {
  return { ...window, last: undefined, lastBad: undefined, addresses: NO_ADDRESSES };
}

/** The start of the step that a window belongs to. */
export function stepStartMs(startMs: number, stepS: number): number {
  const stepMs = stepS * 1_000;
  return Math.floor(startMs / stepMs) * stepMs;
}

interface WaitingReport extends PendingReport {
  readonly payload: Uint8Array;
}

/** Everything of one target that one step brings to one roll-up. */
interface Share {
  readonly target: number;
  readonly startMs: number;
  readonly window: Window;
}

/** One step; see {@link StoreOperations}. To be run in a transaction. */
export function rollUp(
  statement: Statement,
  pending: PendingRollups,
  hour: number,
  { dueBeforeMs, limit }: StoreOperations["rollUp"]["input"],
): RolledUp {
  const node = pending.due(dueBeforeMs, limit);
  if (node === undefined) return { reports: 0, undecodable: 0, overflows: 0, pending: pending.total() };
  const { reports, shares, undecodable } = openShares(statement, waitingReports(statement, node, limit));
  const minutes = merged(shares, MINUTE_S);
  // Of the minutes rather than of the windows: grouping changes nothing (W1), and they are fewer.
  const hours = merged(minutes, HOUR_S);
  const written = [
    ...minutes.map((share) => saveShare(statement, node, MINUTE_S, hour, share)),
    ...hours.map((share) => saveShare(statement, node, HOUR_S, hour, share)),
  ];
  pending.remove(node, reports);
  return {
    reports: reports.length,
    undecodable: undecodable + written.filter((result) => result === "replaced").length,
    overflows: written.filter((result) => result === "overflow").length,
    pending: pending.total(),
  };
}

function waitingReports(statement: Statement, node: number, limit: number): WaitingReport[] {
  const rows = statement(
    `SELECT p.report, p.received_ms, r.payload FROM pending_rollups p JOIN reports r ON r.id = p.report
     WHERE p.node = ? ORDER BY p.received_ms, p.report LIMIT ?`,
  ).iterate(node, limit);
  const reports: WaitingReport[] = [];
  let bytes = 0;
  for (const row of rows) {
    const payload = bytesOf(row.payload);
    bytes += payload.byteLength;
    if (bytes > MAX_STEP_BYTES && reports.length > 0) break;
    reports.push({ report: Number(row.report), receivedAtMs: Number(row.received_ms), payload });
  }
  return reports;
}

/** What was decoded of the waiting reports. */
interface Opened {
  readonly reports: readonly WaitingReport[];
  readonly shares: readonly Share[];
  readonly undecodable: number;
}

/**
 * The indexed windows of the reports that can be decoded, oldest first, up to the report that reaches {@link
 * MAX_STEP_WINDOWS}.
 */
function openShares(statement: Statement, waiting: readonly WaitingReport[]): Opened {
  const indexed = statement("SELECT target, position FROM windows WHERE report = ?");
  const reports: WaitingReport[] = [];
  const shares: Share[] = [];
  let undecodable = 0;
  let windows = 0;
  for (const { report, receivedAtMs, payload } of waiting) {
    if (windows >= MAX_STEP_WINDOWS) break;
    reports.push({ report, receivedAtMs, payload });
    const decoded = decodeReport(payload);
    windows += decoded.ok ? decoded.value.windows.length : 0;
    if (!decoded.ok) {
      undecodable++;
      continue;
    }
    for (const { target, position } of indexed.all(report)) {
      const window = decoded.value.windows[Number(position)];
      // Only a database that was tampered with names a window that its report does not have.
      if (window === undefined) undecodable++;
      else shares.push({ target: Number(target), startMs: window.startMs, window: aggregateOf(window) });
    }
  }
  return { reports, shares, undecodable };
}

/** Shares of one target and step become one. */
function merged(shares: readonly Share[], stepS: HistoryStepS): readonly Share[] {
  const groups = Map.groupBy(shares, ({ target, startMs }) => `${target} ${stepStartMs(startMs, stepS)}`);
  return [...groups.values()].flatMap((group) => {
    const [first, ...rest] = group;
    if (first === undefined) return [];
    return {
      target: first.target,
      startMs: stepStartMs(first.startMs, stepS),
      window: mergeAllWindows(
        first.window,
        rest.map(({ window }) => window),
      ),
    };
  });
}

type Saved = "saved" | "overflow" | "replaced";

/** Merges a share into its row. */
function saveShare(statement: Statement, node: number, stepS: HistoryStepS, hour: number, share: Share): Saved {
  const { target, startMs, window } = share;
  const row = statement(
    "SELECT payload FROM rollups WHERE node = ? AND step_s = ? AND target = ? AND start_ms = ?",
  ).get(node, stepS, target, startMs);
  const kept = row === undefined ? undefined : decodeWindow(bytesOf(row.payload), window.targetId);
  const encoded = encodeWindow(kept?.ok ? mergeAllWindows(kept.value, [window]) : window);
  if (!encoded.ok) return "overflow";
  statement(
    `INSERT INTO rollups (node, step_s, target, start_ms, hour, payload) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET hour = excluded.hour, payload = excluded.payload`,
  ).run(node, stepS, target, startMs, hour, encoded.value);
  return kept?.ok === false ? "replaced" : "saved";
}

/**
 * Deletes roll-ups of one step to which nothing was added after that hour, as many as that number of reports brings;
 * gives how many.
 */
export function pruneRollups(statement: Statement, stepS: HistoryStepS, last: number, reports: number): number {
  const { changes } = statement(
    `DELETE FROM rollups WHERE (node, step_s, target, start_ms) IN (
       SELECT node, step_s, target, start_ms FROM rollups WHERE step_s = ? AND hour <= ? ORDER BY hour LIMIT ?)`,
  ).run(stepS, last, reports * ROLLUPS_PER_REPORT);
  return Number(changes);
}
