/**
 * The queries of people and programs. Verdicts and nodes are answered from memory, incidents and boots from the store.
 *
 * Pages are bounded in rows and in bytes. A token names the last row of a page, not its number, so that rows that come
 * or go between two pages hide no others. When the named row is gone, its node is listed again from the start.
 */
import { matchesPattern, PATTERN_MAX_CHARS } from "@lifeline/catalogue";
import type { Clock } from "@lifeline/measure";
import type { ServiceImplementation } from "@lifeline/rpc";
import { type RowVerdict, rowKey } from "@lifeline/verdict";
import { MAX_PAGE_ROWS, type queryPb, UTF8_BYTES_PER_UNIT } from "@lifeline/wire";
import type { Fleet } from "../fleet/fleet.ts";
import type { Node } from "../fleet/node.ts";
import type { Judging } from "../judging/judging.ts";
import type { Retention } from "../retention/retention.ts";
import type { StoredIncident } from "../store/record.ts";
import type { Store } from "../store/store.ts";
import { quoted, refuse, unavailable, unknownNode } from "../streams/call-refusal.ts";
import { createHistory } from "./history.ts";
import { readToken, token } from "./page-token.ts";
import { bootToWire, incidentToWire, nodeToWire, rowToWire } from "./query-codec.ts";

/** Rows of a page by default (query.proto). */
const DEFAULT_PAGE_ROWS = 1_000;

/** Estimated bytes after which a page ends: three quarters of the largest message. */
const MAX_PAGE_BYTES = 3 * 1024 * 1024;

/** Bytes of a row without its texts: 29 numbers and 6 of each direction among them. */
const ROW_BYTES = 400;

/** Incidents and boots in the answer to getNode, the latest first. */
const NODE_INCIDENTS = 100;
const NODE_BOOTS = 100;

type QueryService = ServiceImplementation<typeof queryPb.QueryService>;

/** What answers are made of. */
interface QuerySources {
  readonly fleet: Fleet;
  readonly judging: Pick<Judging, "catchUp" | "flush">;
  readonly store: Store;
  readonly clock: Clock;
  readonly catalogueVersion: string;
  readonly retention: Retention;
}

export function createQuery(sources: QuerySources): QueryService {
  const { fleet, judging, store, clock, catalogueVersion } = sources;
  const generated = () => BigInt(Math.round(clock.wallMs()));
  const known = (nodeId: string): Node => fleet.nodes.get(nodeId) ?? unknownNode(nodeId);
  /** Resolves when what was acknowledged is judged, and the result is in the store. */
  const written = () => {
    judging.catchUp();
    return judging.flush();
  };
  const ids = (nodeId: string): string[] => (nodeId === "" ? [...fleet.nodes.keys()].sort() : [known(nodeId).nodeId]);

  return {
    listHistory: createHistory(sources),
    async listVerdicts({ nodeId, only, pageSize, pageToken }) {
      if (only.length > PATTERN_MAX_CHARS) refuse("only", `${only.length} characters`, `at most ${PATTERN_MAX_CHARS}`);
      const after = readToken(pageToken, 2);
      judging.catchUp();
      const page = openPage<NodeRow>(pageSize, ({ row }) => rowBytes(row));
      for (const found of rowsAfter(fleet, ids(nodeId), after)) {
        const wanted = only === "" || matchesPattern(only, found.row.requirementId);
        if (wanted && !page.add(found)) break;
      }
      const last = page.isFull ? page.rows.at(-1) : undefined;
      return {
        generatedUnixMs: generated(),
        rows: page.rows.map(({ nodeId: of, row }) => rowToWire(of, row)),
        nextPageToken: last === undefined ? "" : token([last.nodeId, rowKey(last.row)]),
        catalogueVersion,
      };
    },
    async listNodes({ pageSize, pageToken }) {
      const [after = ""] = readToken(pageToken, 1);
      judging.catchUp();
      const page = openPage<Node>(pageSize, ({ hostname }) => ROW_BYTES + hostname.length * UTF8_BYTES_PER_UNIT);
      for (const id of ids("")) if (id > after && !page.add(known(id))) break;
      const last = page.isFull ? page.rows.at(-1) : undefined;
      return {
        generatedUnixMs: generated(),
        nodes: page.rows.map(nodeToWire),
        nextPageToken: last === undefined ? "" : token([last.nodeId]),
      };
    },
    async getNode({ nodeId }) {
      const node = known(nodeId);
      await written();
      const all = { nodeId, openOnly: false, sinceMs: 0, limit: NODE_INCIDENTS, after: undefined };
      const [incidents, boots] = await Promise.all([
        store.submit("listIncidents", all).catch(unavailable),
        store.submit("listBoots", { nodeId, limit: NODE_BOOTS }).catch(unavailable),
      ]);
      return {
        generatedUnixMs: generated(),
        node: nodeToWire(node),
        rows: node.rows.map((row) => rowToWire(nodeId, row)),
        incidents: incidents.map(incidentToWire),
        boots: boots.map(bootToWire),
      };
    },
    async listIncidents({ nodeId, openOnly, sinceUnixMs, pageSize, pageToken }) {
      const sinceMs = Number(sinceUnixMs);
      if (!Number.isSafeInteger(sinceMs))
        refuse("since_unix_ms", String(sinceUnixMs), `at most ${Number.MAX_SAFE_INTEGER}`);
      const after = readIncidentToken(pageToken);
      const page = openPage<StoredIncident>(pageSize, incidentBytes);
      const limit = page.limit + 1;
      await written();
      const found = await store.submit("listIncidents", { nodeId, openOnly, sinceMs, limit, after }).catch(unavailable);
      for (const incident of found) if (!page.add(incident)) break;
      const last = page.isFull ? page.rows.at(-1) : undefined;
      return {
        generatedUnixMs: generated(),
        incidents: page.rows.map(incidentToWire),
        nextPageToken: last === undefined ? "" : token([String(last.startedAtMs), String(last.id)]),
      };
    },
  };
}

interface NodeRow {
  readonly nodeId: string;
  readonly row: RowVerdict;
}

/** Rows of the nodes in order, after the row that a token names. */
function* rowsAfter(fleet: Fleet, ids: readonly string[], [node = "", key]: readonly string[]): Generator<NodeRow> {
  for (const nodeId of ids) {
    if (nodeId < node) continue;
    const rows = fleet.nodes.get(nodeId)?.rows ?? [];
    const start = nodeId === node ? rows.findIndex((row) => rowKey(row) === key) + 1 : 0;
    for (const row of rows.slice(start)) yield { nodeId, row };
  }
}

interface Page<T> {
  readonly rows: T[];
  readonly limit: number;
  /** A row did not fit: another page follows. */
  isFull: boolean;
  /** False when the row did not fit. */
  add(row: T): boolean;
}

function openPage<T>(pageSize: number, bytesOf: (row: T) => number): Page<T> {
  if (pageSize > MAX_PAGE_ROWS) refuse("page_size", String(pageSize), `at most ${MAX_PAGE_ROWS}`);
  let bytes = 0;
  const page: Page<T> = {
    rows: [],
    limit: pageSize === 0 ? DEFAULT_PAGE_ROWS : pageSize,
    isFull: false,
    add(row) {
      bytes += bytesOf(row);
      page.isFull = page.rows.length >= page.limit || (bytes > MAX_PAGE_BYTES && page.rows.length > 0);
      if (!page.isFull) page.rows.push(row);
      return !page.isFull;
    },
  };
  return page;
}

function rowBytes({ evidence, nextStep, requirementId, target, followsFrom = "", notes }: RowVerdict): number {
  const texts =
    evidence.length +
    nextStep.length +
    requirementId.length +
    followsFrom.length +
    2 * (target?.id.length ?? 0) +
    notes.reduce((sum, note) => sum + note.length, 0);
  return ROW_BYTES + texts * UTF8_BYTES_PER_UNIT;
}

function incidentBytes({ evidence, nextStep, targetId }: StoredIncident): number {
  return ROW_BYTES + (evidence.length + nextStep.length + targetId.length) * UTF8_BYTES_PER_UNIT;
}

function readIncidentToken(text: string): { startedAtMs: number; id: number } | undefined {
  const [startedAtMs, id] = readToken(text, 2).map(Number);
  if (startedAtMs === undefined || id === undefined) return undefined;
  const valid = Number.isSafeInteger(startedAtMs) && Number.isSafeInteger(id);
  return valid ? { startedAtMs, id } : refuse("page_token", quoted(text), "the next_page_token of the page before");
}
