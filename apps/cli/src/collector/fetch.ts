/** Whole answers of the collector, page by page, bounded (S2). */
import { matchesPattern } from "@lifeline/catalogue";
import type { adminPb, queryPb } from "@lifeline/wire";
import { noMatch } from "../arguments/requirement-pattern.ts";
import { CliError } from "../cli-error.ts";
import type { HistoryModel, HistoryStep, TargetSteps } from "../render/history.ts";
import { rowFromWire, type StatusModel } from "../render/status-row.ts";
import { type AdminClient, CALL_TIMEOUT_MS, type QueryClient } from "./collector-client.ts";

/** Rows of one page: the collector's default. */
const PAGE_ROWS = 1_000;

/** Most rows fetched for one answer: 1000 nodes of 100 rows, far beyond what is read in a terminal. */
export const MAX_ROWS = 100_000;

/** Most pages of one answer, in case a collector never ends its list. */
const MAX_PAGES = 1_000;

/** What to fetch. */
export interface FetchOptions {
  /** Shell-style pattern on requirement ids; absent: all. */
  readonly only?: string;
  /** Only this node; absent: every one. */
  readonly node?: string;
  readonly signal?: AbortSignal;
}

/**
 * The judged rows.
 *
 * @throws RpcError when the collector fails; CliError `usage` when `only` matches no row, `too-many` over
 *   {@link MAX_ROWS}.
 */
export async function fetchStatus(client: QueryClient, options: FetchOptions = {}): Promise<StatusModel> {
  const { only = "", node = "", signal } = options;
  const answer = await fetchVerdicts(client, only, node, signal);
  if (only !== "" && answer.rows.length === 0) {
    const all = await fetchVerdicts(client, "", node, signal);
    throw noMatch(
      only,
      all.rows.map((row) => row.requirementId),
    );
  }
  return {
    generatedAtMs: Number(answer.first.generatedUnixMs),
    catalogueVersion: answer.first.catalogueVersion,
    rows: answer.rows.map(rowFromWire),
  };
}

/** Every node the collector knows. @throws as {@link fetchStatus} does. */
export async function fetchNodes(client: QueryClient, signal?: AbortSignal) {
  const { first, items } = await allPages(
    (pageToken) => client.unary("listNodes", { pageSize: PAGE_ROWS, pageToken }, callOptions(signal)),
    ({ nodes }) => nodes,
  );
  return { generatedAtMs: Number(first.generatedUnixMs), nodes: items };
}

/** Which incidents to fetch. */
export interface IncidentOptions {
  readonly node?: string;
  readonly openOnly?: boolean;
  /** Only those that had not ended before this wall time, ms since the epoch. */
  readonly sinceMs?: number;
  readonly signal?: AbortSignal;
}

/** Incidents, latest first. @throws as {@link fetchStatus} does. */
export async function fetchIncidents(client: QueryClient, options: IncidentOptions) {
  const { node: nodeId = "", openOnly = false, sinceMs = 0, signal } = options;
  const request = { nodeId, openOnly, sinceUnixMs: BigInt(Math.round(sinceMs)), pageSize: PAGE_ROWS };
  const { first, items } = await allPages(
    (pageToken) => client.unary("listIncidents", { ...request, pageToken }, callOptions(signal)),
    ({ incidents }) => incidents,
  );
  return { generatedAtMs: Number(first.generatedUnixMs), incidents: items };
}

/** What history of a node to fetch. Times in ms since the epoch, the node's own. */
export interface HistoryOptions extends FetchOptions {
  readonly node: string;
  readonly fromMs: number;
  /** Absent: now. */
  readonly toMs?: number;
  /** 10, 60 or 3600; absent: the finest that is kept for the whole time and gives at most 1000 steps. */
  readonly stepSeconds?: number;
}

/** The history of a node, all answers together. @throws as {@link fetchStatus} does; NOT_FOUND for an unknown node. */
export async function fetchHistory(client: QueryClient, options: HistoryOptions): Promise<HistoryModel> {
  const { node: nodeId, only = "", fromMs, toMs, stepSeconds, signal } = options;
  const times = { fromUnixMs: wireTime(fromMs), toUnixMs: wireTime(toMs ?? 0) };
  const request = { nodeId, ...times, stepSeconds: stepSeconds ?? 0 };
  const query = (more: object) => client.unary("listHistory", { ...request, ...more }, callOptions(signal));
  const first = await query({ only });
  const targets = new Map<string, TargetSteps & { readonly steps: HistoryStep[] }>();
  let steps = addSteps(targets, first);
  let continueFromUnixMs = first.continueFromUnixMs;
  for (let answers = 1; continueFromUnixMs !== undefined; answers++) {
    if (steps > MAX_ROWS || answers >= MAX_PAGES) throw tooMany(steps);
    const next = await query({ only, fromUnixMs: continueFromUnixMs, stepSeconds: first.stepSeconds });
    steps += addSteps(targets, next);
    continueFromUnixMs = next.continueFromUnixMs;
  }
  if (only !== "" && targets.size === 0) {
    const ids = (await query({ stepSeconds: 3_600 })).targets.map(({ requirementId }) => requirementId);
    if (!ids.some((id) => matchesPattern(only, id))) throw noMatch(only, ids);
  }
  const generatedAtMs = Number(first.generatedUnixMs);
  return { node: nodeId, generatedAtMs, stepSeconds: first.stepSeconds, targets: [...targets.values()] };
}

function wireTime(ms: number): bigint {
  return BigInt(Math.round(ms));
}

/** Adds an answer's steps to those before; says how many there were. */
function addSteps(
  targets: Map<string, TargetSteps & { readonly steps: HistoryStep[] }>,
  answer: queryPb.ListHistoryResponse,
): number {
  let added = 0;
  for (const { requirementId, targetId, points } of answer.targets) {
    const known = targets.get(targetId) ?? { requirement: requirementId, targetId, steps: [] };
    targets.set(targetId, known);
    known.steps.push(...points.map(stepFromWire));
    added += points.length;
  }
  return added;
}

function stepFromWire(point: queryPb.HistoryPoint): HistoryStep {
  const durationNs = (ns: bigint | undefined) => (ns === undefined ? null : Number(ns));
  return {
    startMs: Number(point.startUnixMs),
    sent: Number(point.sent),
    lost: Number(point.lost),
    late: Number(point.late),
    silent: Number(point.silent),
    ended: Number(point.ended),
    failed: Number(point.failed),
    notSent: Number(point.notSent),
    lossRatio: point.lossRatio ?? null,
    rttNs: { p50: durationNs(point.rttP50Ns), p95: durationNs(point.rttP95Ns), max: durationNs(point.rttMaxNs) },
  };
}

/** All of one node. @throws RpcError, NOT_FOUND for an unknown one. */
export function fetchNode(client: QueryClient, nodeId: string, signal?: AbortSignal): Promise<queryPb.GetNodeResponse> {
  return client.unary("getNode", { nodeId }, callOptions(signal));
}

/** Every enrolment, or those of `node`. @throws as {@link fetchStatus} does. */
export async function fetchEnrolments(
  client: AdminClient,
  node = "",
  signal?: AbortSignal,
): Promise<{ generatedAtMs: number; enrolments: readonly adminPb.Enrolment[] }> {
  const { first, items } = await allPages(
    (pageToken) =>
      client.unary("listEnrolments", { nodeId: node, pageSize: PAGE_ROWS, pageToken }, callOptions(signal)),
    ({ enrolments }) => enrolments,
  );
  return { generatedAtMs: Number(first.generatedUnixMs), enrolments: items };
}

async function fetchVerdicts(client: QueryClient, only: string, nodeId: string, signal: AbortSignal | undefined) {
  const { first, items } = await allPages(
    (pageToken) => client.unary("listVerdicts", { only, nodeId, pageSize: PAGE_ROWS, pageToken }, callOptions(signal)),
    ({ rows }) => rows,
  );
  return { first, rows: items };
}

function callOptions(signal: AbortSignal | undefined) {
  return signal === undefined ? { timeoutMs: CALL_TIMEOUT_MS } : { timeoutMs: CALL_TIMEOUT_MS, signal };
}

async function allPages<Page extends { readonly nextPageToken: string }, Item>(
  fetchPage: (token: string) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
): Promise<{ first: Page; items: Item[] }> {
  const first = await fetchPage("");
  const items = [...itemsOf(first)];
  let token = first.nextPageToken;
  for (let pages = 1; token !== ""; pages++) {
    if (items.length > MAX_ROWS || pages >= MAX_PAGES) throw tooMany(items.length);
    const page = await fetchPage(token);
    items.push(...itemsOf(page));
    token = page.nextPageToken;
  }
  return { first, items };
}

function tooMany(fetched: number): CliError {
  return new CliError("too-many", `the collector has more than ${fetched} entries; narrow it by node, pattern or time`);
}
