/** Whole answers of the collector, page by page, bounded (S2). */
import type { adminPb, queryPb } from "@lifeline/wire";
import { CliError } from "./cli-error.ts";
import { type AdminClient, CALL_TIMEOUT_MS, type QueryClient } from "./collector-client.ts";
import { noMatch } from "./requirement-pattern.ts";
import { rowFromWire, type StatusModel } from "./status-row.ts";

/** Rows asked for at once: the collector's default. */
const PAGE_ROWS = 1_000;

/** Most rows fetched for one answer: 1000 nodes of 100 rows, far beyond what is read in a terminal. */
export const MAX_ROWS = 100_000;

/** Most pages asked for, so that a collector that never ends its list is left. */
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
 * @throws RpcError when the collector fails; CliError `usage` when `only` matches no row, `too-many` over {@link MAX_ROWS}.
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
