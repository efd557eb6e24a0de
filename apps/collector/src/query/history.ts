/**
 * What a node's targets measured in the past (ListHistory).
 *
 * 1. Times are the node's own, as those of its verdicts and incidents. Both ends are widened to whole steps.
 * 2. Figures are those of a verdict's row (query-codec), of all windows that began within the step, merged (W1).
 * 3. Bounded in steps, points, bytes and decoded reports. What is left out lies after the cut: another query begins
 *    there.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { matchesPattern, PATTERN_MAX_CHARS } from "@lifeline/catalogue";
import { type Clock, requirementIdOf } from "@lifeline/measure";
import { RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import { decodeReport, decodeWindow, type queryPb } from "@lifeline/wire";
import type { Fleet } from "../fleet/fleet.ts";
import { nodeNowMs } from "../fleet/node.ts";
import { pruneBeforeMs, type Retention } from "../retention/retention.ts";
import type { HistoryRows, HistoryStepS } from "../store/history-record.ts";
import { aggregateOf, stepStartMs } from "../store/rollup.ts";
import type { Store } from "../store/store.ts";
import { quoted, refuse, unavailable, unknownNode } from "../streams/call-refusal.ts";
import { HistoryCells } from "./history-cells.ts";
import { finestStep, readTimes, spanOf, stepEndMs } from "./history-range.ts";

/**
 * Most reports decoded for an answer, and at once: a large node's 16 take some 10 ms, and acknowledgements must not
 * wait.
 */
const MAX_REPORTS = 1_024;
const REPORTS_PER_TURN = 16;
const ROLLUPS_PER_TURN = 500;

type ListHistory = ServiceImplementation<typeof queryPb.QueryService>["listHistory"];

/** What history is made from. */
export interface HistorySources {
  readonly fleet: Pick<Fleet, "nodes">;
  readonly store: Pick<Store, "submit">;
  readonly clock: Clock;
  readonly retention: Retention;
}

export function createHistory({ fleet, store, clock, retention }: HistorySources): ListHistory {
  return async (request) => {
    const { nodeId, only } = request;
    if (only.length > PATTERN_MAX_CHARS) refuse("only", `${only.length} characters`, `at most ${PATTERN_MAX_CHARS}`);
    const node = fleet.nodes.get(nodeId);
    const wallMs = clock.wallMs();
    // A node that is no longer in the fleet has no clock of its own here; its roll-ups are months old.
    const nowMs = node === undefined ? wallMs : nodeNowMs(node, wallMs);
    const wanted = readTimes(request, nowMs);
    const extent = await store.submit("historyExtent", { nodeId }).catch(unavailable);
    if (extent === "no-node") return unknownNode(nodeId);
    const planned = node === undefined ? [] : node.plan.targets.map(({ id }) => id);
    const targetIds = [...new Set([...planned, ...extent.targetIds])].filter(
      (id) => only === "" || matchesPattern(only, requirementIdOf(id)),
    );
    const keptMs = pruneBeforeMs(retention, nowMs);
    const fromMs = Math.max(wanted.fromMs, extent.firstMs ?? wanted.toMs);
    const stepS = wanted.stepS ?? finestStep(fromMs, wanted.toMs, keptMs);
    const answer = { generatedUnixMs: BigInt(Math.round(wallMs)), stepSeconds: stepS };
    const range = { fromMs: stepStartMs(Math.max(fromMs, keptMs[stepS]), stepS), toMs: stepEndMs(wanted.toMs, stepS) };
    if (targetIds.length === 0 || range.fromMs >= range.toMs) return answer;
    const spanMs = spanOf(targetIds, stepS);
    const query = { nodeId, targetIds, stepS, ...range, spanMs, reportsMax: MAX_REPORTS };
    const rows = foundOf(await store.submit("history", query).catch(unavailable), nodeId, stepS);
    const cells = new HistoryCells(targetIds, stepS);
    await openRollups(rows, cells);
    await openReports(rows, store, cells);
    return {
      ...answer,
      targets: cells.targets(),
      ...(rows.cutMs === undefined ? {} : { continueFromUnixMs: BigInt(rows.cutMs) }),
    };
  };
}

type FoundRows = Extract<HistoryRows, { kind: "found" }>;

function foundOf(rows: HistoryRows, nodeId: string, stepS: HistoryStepS): FoundRows {
  switch (rows.kind) {
    case "found":
      return rows;
    case "no-node":
      return unknownNode(nodeId);
    case "pending":
      throw new RpcError(
        RpcStatus.FAILED_PRECONDITION,
        `step_seconds: got ${stepS}, want 10 for now: ${rows.reports} reports of ${quoted(nodeId)} wait for their roll-up`,
      );
    case "too-dense":
      throw new RpcError(
        RpcStatus.FAILED_PRECONDITION,
        `step_seconds: got ${stepS}, want another step or time: more than ${MAX_REPORTS} reports hold what began at ${rows.startMs}`,
      );
  }
}

async function openRollups({ rollups }: FoundRows, cells: HistoryCells): Promise<void> {
  for (const [at, { targetId, startMs, payload }] of rollups.entries()) {
    if (at > 0 && at % ROLLUPS_PER_TURN === 0) await nextTurn();
    const decoded = decodeWindow(payload, targetId);
    // A roll-up that cannot be decoded is counted when the next window is merged into it. Its step is its row's, not
    // its first window's.
    if (decoded.ok) cells.add({ ...decoded.value, startMs });
  }
}

async function openReports({ reports }: FoundRows, store: HistorySources["store"], cells: HistoryCells): Promise<void> {
  const numbers = [...reports.keys()];
  for (let at = 0; at < numbers.length; at += REPORTS_PER_TURN) {
    const turn = { reports: numbers.slice(at, at + REPORTS_PER_TURN) };
    for (const { report, payload } of await store.submit("readReports", turn).catch(unavailable)) {
      const decoded = decodeReport(payload);
      if (!decoded.ok) continue;
      for (const position of reports.get(report) ?? []) {
        const window = decoded.value.windows[position];
        if (window !== undefined) cells.add(aggregateOf(window));
      }
    }
  }
}
