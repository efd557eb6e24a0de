/**
 * What a node's targets measured in the past (ListHistory).
 *
 * 1. Times are the node's own, as those of its verdicts and incidents. Both ends are widened to whole steps.
 * 2. Figures are those of a verdict's row (query-codec), of all windows that began within the step, merged (W1).
 * 3. Bounded in steps, points, bytes and decoded reports. What is left out lies after the cut: another query begins there.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { matchesPattern, PATTERN_MAX_CHARS } from "@lifeline/catalogue";
import { type Clock, requirementIdOf } from "@lifeline/measure";
import { RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import { mergeAllWindows, type Window } from "@lifeline/window";
import { decodeReport, decodeWindow, MAX_UNIX_MS, type queryPb, UTF8_BYTES_PER_UNIT } from "@lifeline/wire";
import type { Fleet } from "../fleet/fleet.ts";
import { nodeNowMs } from "../fleet/node.ts";
import { pruneBeforeMs, type Retention } from "../retention/retention.ts";
import { HISTORY_STEPS_S, type HistoryRows, type HistoryStepS } from "../store/history-record.ts";
import { aggregateOf, stepStartMs } from "../store/rollup.ts";
import type { Store } from "../store/store.ts";
import { quoted, refuse, unavailable, unknownNode } from "../streams/call-refusal.ts";
import { pointToWire } from "./query-codec.ts";

/** Most points of a target that a step of 0 gives (query.proto), and most steps of any answer. */
const MAX_STEPS = 1_000;

/** Most estimated bytes of an answer: three quarters of the largest message. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;

/** Bytes of a point at most: 11 fields of 1 byte, 7 of a time, 5 counts of 6, a double, 3 durations of 6, and 2 of length. */
const POINT_BYTES = 76;

/** Most points of an answer: to decode them takes some 0.2 s, in turns. */
const MAX_POINTS = 20_000;

/** Most reports decoded for an answer, and at once: a large node's 16 take some 10 ms, and acknowledgements must not wait. */
const MAX_REPORTS = 1_024;
const REPORTS_PER_TURN = 16;
const ROLLUPS_PER_TURN = 500;

type ListHistory = ServiceImplementation<typeof queryPb.QueryService>["listHistory"];
type Request = Parameters<ListHistory>[0];

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
    const cells = createCells(targetIds, stepS);
    await openRollups(rows, cells);
    await openReports(rows, store, cells);
    return {
      ...answer,
      targets: cells.points(),
      ...(rows.cutMs === undefined ? {} : { continueFromUnixMs: BigInt(rows.cutMs) }),
    };
  };
}

interface RequestedTimes {
  readonly fromMs: number;
  readonly toMs: number;
  /** Undefined: the finest that will do. */
  readonly stepS: HistoryStepS | undefined;
}

function readTimes({ fromUnixMs, toUnixMs, stepSeconds }: Request, nowMs: number): RequestedTimes {
  const latest = BigInt(MAX_UNIX_MS);
  if (fromUnixMs > latest) refuse("from_unix_ms", String(fromUnixMs), `at most ${MAX_UNIX_MS}`);
  if (toUnixMs > latest) refuse("to_unix_ms", String(toUnixMs), `at most ${MAX_UNIX_MS}, or 0 for now`);
  const stepS = HISTORY_STEPS_S.find((step) => step === stepSeconds);
  if (stepS === undefined && stepSeconds !== 0)
    refuse(
      "step_seconds",
      String(stepSeconds),
      `one of ${HISTORY_STEPS_S.join(", ")}, or 0 for the finest that will do`,
    );
  const fromMs = Number(fromUnixMs);
  const toMs = toUnixMs === 0n ? nowMs : Number(toUnixMs);
  if (fromMs >= toMs)
    refuse("from_unix_ms", String(fromUnixMs), `a time before ${Math.round(toMs)}, the end of the range`);
  return { fromMs, toMs, stepS };
}

/** The finest step that is kept for the whole time and gives at most {@link MAX_STEPS} points; else the coarsest. */
function finestStep(fromMs: number, toMs: number, keptMs: Readonly<Record<HistoryStepS, number>>): HistoryStepS {
  const fits = (step: HistoryStepS) =>
    fromMs >= keptMs[step] && stepEndMs(toMs, step) - stepStartMs(fromMs, step) <= MAX_STEPS * step * 1_000;
  return HISTORY_STEPS_S.find(fits) ?? 3_600;
}

function stepEndMs(toMs: number, stepS: HistoryStepS): number {
  return -stepStartMs(-toMs, stepS);
}

/** The longest range of one answer, ms: as many steps as keep the points of all targets within every bound. */
function spanOf(targetIds: readonly string[], stepS: HistoryStepS): number {
  // A target has its id and the id of its requirement.
  const nameBytes = targetIds.reduce((sum, { length }) => sum + 2 * length * UTF8_BYTES_PER_UNIT, 0);
  const points = Math.min(MAX_POINTS, Math.floor((MAX_ANSWER_BYTES - nameBytes) / POINT_BYTES));
  const steps = Math.min(MAX_STEPS, Math.floor(points / targetIds.length));
  if (steps < 1) refuse("only", `a pattern of ${targetIds.length} targets`, "one of fewer");
  return steps * stepS * 1_000;
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

/** The windows of each target and step, merged. */
interface Cells {
  add(window: Window): void;
  /** Targets in their order, each with its steps by time; targets without windows are left out. */
  points(): { requirementId: string; targetId: string; points: ReturnType<typeof pointToWire>[] }[];
}

function createCells(targetIds: readonly string[], stepS: HistoryStepS): Cells {
  const byTarget = new Map(targetIds.map((id) => [id, new Map<number, Window[]>()]));
  return {
    add(window) {
      const startMs = stepStartMs(window.startMs, stepS);
      const steps = byTarget.get(window.targetId);
      const known = steps?.get(startMs);
      if (known === undefined) steps?.set(startMs, [window]);
      else known.push(window);
    },
    points: () =>
      [...byTarget].flatMap(([targetId, steps]) => {
        const inTime = [...steps].sort(([a], [b]) => a - b);
        const points = inTime.flatMap(([startMs, [first, ...rest]]) =>
          first === undefined ? [] : pointToWire(startMs, mergeAllWindows(first, rest)),
        );
        return points.length === 0 ? [] : { requirementId: requirementIdOf(targetId), targetId, points };
      }),
  };
}

async function openRollups({ rollups }: FoundRows, cells: Cells): Promise<void> {
  for (const [at, { targetId, startMs, payload }] of rollups.entries()) {
    if (at > 0 && at % ROLLUPS_PER_TURN === 0) await nextTurn();
    const decoded = decodeWindow(payload, targetId);
    // A roll-up that cannot be decoded is counted when the next window is merged into it. Its step is its row's, not its first window's.
    if (decoded.ok) cells.add({ ...decoded.value, startMs });
  }
}

async function openReports({ reports }: FoundRows, store: HistorySources["store"], cells: Cells): Promise<void> {
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
