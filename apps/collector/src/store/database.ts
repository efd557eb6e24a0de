/**
 * The tables, synchronously; runs in the store's thread.
 *
 * 1. A batch is one transaction: all of it is durable before anyone hears of it, or none of it happened (U1).
 * 2. A report is counted once under (node, boot, sequence); one that comes again, even with other bytes, changes nothing but the
 *    count of duplicates.
 */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import { readHistory, readHistoryExtent } from "./history-rows.ts";
import { identityOperations } from "./identities.ts";
import { MIGRATIONS } from "./migrations.ts";
import {
  type BootRecord,
  type FaultRecord,
  type IncidentQuery,
  type IncidentRecord,
  type NodeRecord,
  type Operation,
  type OperationName,
  REPORT_WAITS_MAX_MS,
  type ReportRecord,
  type StoredIncident,
  type StoredNode,
  type StoreOperations,
  type VerdictRecord,
} from "./record.ts";
import { HOUR_S, MINUTE_S, pruneRollups, rollUp } from "./rollup.ts";
import { bytesOf, type Statement, statementCache } from "./statement.ts";
import { StorageHours } from "./storage-hours.ts";
import { createUnrolled, type Unrolled } from "./unrolled.ts";

/** The version of the database is of a later collector than this one. */
export const NEWER_SCHEMA = "newer-schema";

/** Why a database could not be opened, apart from SQLite's own errors. */
export class SchemaError extends Error {
  readonly code = NEWER_SCHEMA;
}

/** An open database. */
export interface Database {
  /** Runs all operations in one transaction. Throws what SQLite threw, after rolling back. */
  run(operations: readonly Operation[]): unknown[];
  close(): void;
}

/** Opens or creates the database and brings its schema up to date. */
export function openDatabase(path: string): Database {
  const sqlite = new DatabaseSync(path);
  // FULL: the log is synced at each commit, so what was acknowledged outlives a power cut as well as a kill.
  sqlite.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000",
  );
  migrate(sqlite);
  const statement = statementCache(sqlite);
  const unrolled = createUnrolled(statement);
  const hours = new StorageHours(statement);
  const operations = operationsOn(statement, unrolled, hours);
  return {
    run(batch) {
      sqlite.exec("BEGIN IMMEDIATE");
      try {
        const outputs = batch.map(({ name, input }) => operations[name](input as never));
        sqlite.exec("COMMIT");
        return outputs;
      } catch (error) {
        if (sqlite.isTransaction) sqlite.exec("ROLLBACK");
        unrolled.recount();
        hours.reset();
        throw error;
      }
    },
    close: () => sqlite.close(),
  };
}

function migrate(sqlite: DatabaseSync): void {
  sqlite.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT");
  const found = Number(sqlite.prepare("SELECT max(version) AS version FROM schema_version").get()?.version ?? 0);
  if (found > MIGRATIONS.length) {
    throw new SchemaError(`the database has schema ${found}; this collector knows up to ${MIGRATIONS.length}`);
  }
  for (const [version, step] of MIGRATIONS.entries()) {
    if (version < found) continue;
    sqlite.exec(`BEGIN IMMEDIATE; ${step}; INSERT INTO schema_version VALUES (${version + 1}); COMMIT`);
  }
}

type Run<K extends OperationName> = (input: StoreOperations[K]["input"]) => StoreOperations[K]["output"];
type Operations = { readonly [K in OperationName]: Run<K> };

function operationsOn(statement: Statement, unrolled: Unrolled, hours: StorageHours): Operations {
  const nodeOf = nodeNumbers(statement);
  return {
    saveNode(node) {
      const known = nodeOf(node.nodeId);
      saveNode(statement, hours.current(), node);
      return known === undefined ? "new" : "known";
    },
    saveReport: saveReport(statement, nodeOf, unrolled, hours),
    saveIncident(incident) {
      const node = nodeOf(incident.nodeId);
      return node === undefined ? "no-node" : saveIncident(statement, node, hours.current(), incident);
    },
    saveVerdicts({ nodeId, verdicts }) {
      const node = nodeOf(nodeId);
      return node === undefined ? "no-node" : saveVerdicts(statement, node, verdicts);
    },
    closeHour({ endedMs, keepFromMs }) {
      hours.close(endedMs);
      hours.prune(keepFromMs);
      return undefined;
    },
    lastHourEndedMs: () => hours.lastEndedMs(),
    silentNodes({ nodeIds, beforeMs }) {
      const heard = statement("SELECT 1 FROM nodes WHERE node_id = ? AND hour > ?");
      const last = hours.lastBefore(beforeMs);
      return nodeIds.filter((nodeId) => heard.get(nodeId, last) === undefined);
    },
    prune: (input) => prune(statement, hours, input),
    pruneNodes({ beforeMs, limit }) {
      pruneNodes(statement, hours.lastBefore(beforeMs), limit);
      return undefined;
    },
    rollUp: (input) => rollUp(statement, unrolled, hours.current(), input),
    touch: ({ nowMs }) => {
      statement("INSERT INTO heartbeat VALUES (1, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms").run(nowMs);
      return undefined;
    },
    listNodes: ({ limit }) => listNodes(statement, limit),
    listVerdicts: ({ nodeId }) => listVerdicts(statement, nodeId),
    recentReports: (input) => recentReports(statement, input),
    readReports: ({ reports }) => readReports(statement, reports),
    historyExtent({ nodeId }) {
      const node = nodeOf(nodeId);
      return node === undefined ? "no-node" : readHistoryExtent(statement, node);
    },
    history(query) {
      const node = nodeOf(query.nodeId);
      return node === undefined ? { kind: "no-node" } : readHistory(statement, unrolled, node, query);
    },
    listBoots: ({ nodeId, limit }) => listBoots(statement, nodeId, limit),
    listIncidents: (query) => listIncidents(statement, query),
    openIncidents: ({ nodeId }) => openIncidents(statement, nodeId),
    ...identityOperations(statement, hours),
  };
}

type NodeNumbers = (nodeId: string) => number | undefined;

/** The number of a node; undefined for one that was never saved, or was pruned. */
function nodeNumbers(statement: Statement): NodeNumbers {
  return (nodeId) => {
    const row = statement("SELECT id FROM nodes WHERE node_id = ?").get(nodeId);
    return row === undefined ? undefined : Number(row.id);
  };
}

function saveNode(
  statement: Statement,
  hour: number,
  { nodeId, hostname, agentVersion, factsJson, seenAtMs, clockOffsetMs, seenFromJson }: NodeRecord,
): undefined {
  statement(
    `INSERT INTO nodes (node_id, hostname, agent_version, facts_json, first_seen_ms, seen_ms, clock_offset_ms, seen_from_json, hour)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (node_id) DO UPDATE SET hostname = excluded.hostname, agent_version = excluded.agent_version,
       facts_json = excluded.facts_json, seen_ms = excluded.seen_ms, seen_from_json = excluded.seen_from_json, hour = excluded.hour,
       clock_offset_ms = coalesce(excluded.clock_offset_ms, clock_offset_ms)`,
  ).run(
    nodeId,
    hostname,
    agentVersion,
    factsJson,
    seenAtMs,
    seenAtMs,
    clockOffsetMs ?? null,
    seenFromJson ?? null,
    hour,
  );
}

function saveReport(
  statement: Statement,
  nodeOf: NodeNumbers,
  unrolled: Unrolled,
  hours: StorageHours,
): Run<"saveReport"> {
  return (report) => {
    const node = nodeOf(report.nodeId);
    if (node === undefined) return "no-node";
    const { bootId, sequence, receivedAtMs, sealedAtMs, clockOffsetMs, payload } = report;
    const hour = hours.current();
    const inserted = statement(
      `INSERT INTO reports (hour, node, boot_id, sequence, received_ms, sealed_ms, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (node, boot_id, sequence) DO NOTHING`,
    ).run(hour, node, bootId, sequence, receivedAtMs, sealedAtMs, payload);
    statement(
      `UPDATE nodes SET last_report_ms = CASE WHEN last_report_ms BETWEEN ?1 AND ?1 + ${REPORT_WAITS_MAX_MS} THEN last_report_ms ELSE ?1 END,
         clock_offset_ms = coalesce(?2, clock_offset_ms), hour = ?3 WHERE id = ?4`,
    ).run(receivedAtMs, clockOffsetMs ?? null, hour, node);
    if (inserted.changes === 0) {
      statement("UPDATE boots SET duplicates = duplicates + 1 WHERE node = ? AND boot_id = ?").run(node, bootId);
      const isSame = statement(
        "SELECT payload = ? AS same FROM reports WHERE node = ? AND boot_id = ? AND sequence = ?",
      ).get(payload, node, bootId, sequence)?.same;
      return isSame === 1 ? "duplicate" : "conflicting";
    }
    const number = Number(inserted.lastInsertRowid);
    saveWindows(statement, node, number, report);
    unrolled.add(node, receivedAtMs, number);
    statement(
      `INSERT INTO boots VALUES (?1, ?2, ?3, ?4, ?4, 1, ?5, 0)
       ON CONFLICT DO UPDATE SET first_sequence = min(first_sequence, ?4), last_sequence = max(last_sequence, ?4),
         reports = reports + 1, windows = windows + ?5`,
    ).run(node, bootId, receivedAtMs, sequence, report.windowCount);
    return "stored";
  };
}

function saveWindows(statement: Statement, node: number, report: number, { windows }: ReportRecord): void {
  for (const { targetId, position, startMs, endMs } of windows) {
    statement("INSERT INTO targets (target_id) VALUES (?) ON CONFLICT DO NOTHING").run(targetId);
    statement(
      `INSERT INTO windows (node, end_ms, target, report, position, start_ms)
       SELECT ?, ?, id, ?, ?, ? FROM targets WHERE target_id = ?`,
    ).run(node, endMs, report, position, startMs, targetId);
  }
}

function saveIncident(statement: Statement, node: number, hour: number, incident: IncidentRecord): "saved" {
  statement(
    `INSERT INTO incidents (node, requirement_id, target_id, verdict, cause, evidence, next_step, started_ms, ended_ms,
       changes_json, dropped_changes, hour) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (node, target_id, started_ms) DO UPDATE SET verdict = excluded.verdict, cause = excluded.cause,
       evidence = excluded.evidence, next_step = excluded.next_step, ended_ms = excluded.ended_ms,
       changes_json = excluded.changes_json, dropped_changes = excluded.dropped_changes, hour = excluded.hour`,
  ).run(
    node,
    incident.requirementId,
    incident.targetId,
    incident.verdict,
    incident.cause,
    incident.evidence,
    incident.nextStep,
    incident.startedAtMs,
    incident.endedAtMs ?? null,
    incident.changesJson,
    incident.droppedChanges,
    hour,
  );
  return "saved";
}

/** Replaces what is kept of the node's rows: rows that are gone from the plan go here too. */
function saveVerdicts(statement: Statement, node: number, verdicts: readonly VerdictRecord[]): "saved" {
  statement("DELETE FROM verdicts WHERE node = ?").run(node);
  const insert = statement(
    `INSERT INTO verdicts (node, row_key, verdict, since_ms, cause, onset_ms, evidence, next_step)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const { rowKey, verdict, sinceMs, fault } of verdicts) {
    const { cause = null, onsetMs = null, evidence = null, nextStep = null } = fault ?? {};
    insert.run(node, rowKey, verdict, sinceMs, cause, onsetMs, evidence, nextStep);
  }
  return "saved";
}

type PruneInput = StoreOperations["prune"]["input"];

function prune(
  statement: Statement,
  hours: StorageHours,
  { beforeMs, minuteBeforeMs, hourBeforeMs, reports }: PruneInput,
): number {
  const last = hours.lastBefore(beforeMs);
  const deleted = [
    pruneReports(statement, last, reports),
    pruneIncidents(statement, last, reports),
    pruneRollups(statement, MINUTE_S, hours.lastBefore(minuteBeforeMs), reports),
    pruneRollups(statement, HOUR_S, hours.lastBefore(hourBeforeMs), reports),
  ];
  return deleted.reduce((sum, rows) => sum + rows, 0);
}

/** Reports looked through for each that is to be deleted. */
const LOOKED_THROUGH = 10;

/** With their windows, and with the boots of which no other is left: one that reports again is counted anew. */
function pruneReports(statement: Statement, last: number, limit: number): number {
  // What has not been rolled up stays, however old: it is the next to be, and few may stand in the way of others.
  const oldest = statement(
    `SELECT id FROM (SELECT id, hour, node, received_ms FROM reports ORDER BY id LIMIT ?2 * ${LOOKED_THROUGH}) AS r
     WHERE hour <= ?1 AND NOT EXISTS (SELECT 1 FROM unrolled AS u WHERE (u.node, u.received_ms, u.report) = (r.node, r.received_ms, r.id))
     ORDER BY id LIMIT ?2`,
  ).all(last, limit);
  const ids = JSON.stringify(oldest.map(({ id }) => Number(id)));
  const windows = statement("DELETE FROM windows WHERE report IN (SELECT value FROM json_each(?))").run(ids);
  const gone = statement(
    "DELETE FROM reports WHERE id IN (SELECT value FROM json_each(?)) RETURNING node, boot_id, hex(boot_id) AS boot",
  ).all(ids);
  const boots = new Map(gone.map((row) => [`${row.node} ${row.boot}`, row]));
  const pruneBoot = statement(
    `DELETE FROM boots WHERE (node, boot_id) = (?1, ?2)
       AND NOT EXISTS (SELECT 1 FROM reports WHERE (node, boot_id) = (?1, ?2))`,
  );
  for (const { node, boot_id } of boots.values()) pruneBoot.run(Number(node), bytesOf(boot_id));
  return Number(windows.changes) + gone.length;
}

/** Those that ended; and those of nodes that were silent since, of which nothing is left to say whether they did. */
function pruneIncidents(statement: Statement, last: number, limit: number): number {
  const { changes } = statement(
    `DELETE FROM incidents WHERE id IN (
       SELECT i.id FROM incidents AS i JOIN nodes AS n ON n.id = i.node
       WHERE i.hour <= ?1 AND (i.ended_ms IS NOT NULL OR n.hour <= ?1) ORDER BY i.hour LIMIT ?2)`,
  ).run(last, limit);
  return Number(changes);
}

/** Nodes that were heard last up to that hour, and of which nothing is kept: no report, no roll-up, no incident. */
function pruneNodes(statement: Statement, last: number, limit: number): void {
  const silent = statement(
    `SELECT id FROM nodes WHERE hour <= ?1
       AND NOT EXISTS (SELECT 1 FROM reports WHERE node = nodes.id) AND NOT EXISTS (SELECT 1 FROM incidents WHERE node = nodes.id)
       AND NOT EXISTS (SELECT 1 FROM rollups WHERE node = nodes.id)
     LIMIT ?2`,
  ).all(last, limit);
  for (const { id } of silent) {
    const node = Number(id);
    statement("DELETE FROM boots WHERE node = ?").run(node);
    statement("DELETE FROM verdicts WHERE node = ?").run(node);
    statement("DELETE FROM nodes WHERE id = ?").run(node);
  }
}

function listNodes(statement: Statement, limit: number): StoredNode[] {
  return statement("SELECT * FROM nodes ORDER BY coalesce(last_report_ms, seen_ms) DESC LIMIT ?")
    .all(limit)
    .map((row) => ({
      nodeId: String(row.node_id),
      hostname: String(row.hostname),
      agentVersion: String(row.agent_version),
      factsJson: String(row.facts_json),
      seenAtMs: Number(row.seen_ms),
      firstSeenMs: Number(row.first_seen_ms),
      lastReportMs: row.last_report_ms === null ? undefined : Number(row.last_report_ms),
      clockOffsetMs: row.clock_offset_ms === null ? undefined : Number(row.clock_offset_ms),
      seenFromJson: row.seen_from_json === null ? undefined : String(row.seen_from_json),
    }));
}

function listVerdicts(statement: Statement, nodeId: string): VerdictRecord[] {
  return statement("SELECT v.* FROM verdicts v JOIN nodes n ON n.id = v.node WHERE n.node_id = ?")
    .all(nodeId)
    .map((row) => ({
      rowKey: String(row.row_key),
      verdict: String(row.verdict),
      sinceMs: Number(row.since_ms),
      fault: faultOf(row),
    }));
}

function faultOf(row: Readonly<Record<string, unknown>>): FaultRecord | undefined {
  if (row.cause === null) return undefined;
  return {
    cause: String(row.cause),
    onsetMs: Number(row.onset_ms),
    evidence: String(row.evidence),
    nextStep: String(row.next_step),
  };
}

function recentReports(
  statement: Statement,
  { nodeId, targets, endedByMs, limit }: StoreOperations["recentReports"]["input"],
): readonly number[] {
  const found = new Set<number>();
  // Targets of one stretch share a scan: a node has few cadences, and the index is by node and time.
  for (const [endedAfterMs, group] of Map.groupBy(targets, (target) => target.endedAfterMs)) {
    const rows = statement(
      `SELECT DISTINCT report FROM (
         SELECT w.report, row_number() OVER (PARTITION BY w.target ORDER BY w.end_ms DESC) AS place
         FROM windows w JOIN nodes n ON n.id = w.node WHERE n.node_id = ? AND w.end_ms > ? AND w.end_ms <= ?
           AND w.target IN (SELECT id FROM targets WHERE target_id IN (SELECT value FROM json_each(?)))
       ) WHERE place <= ?`,
    ).all(nodeId, endedAfterMs, endedByMs, JSON.stringify(group.map(({ targetId }) => targetId)), limit);
    for (const { report } of rows) found.add(Number(report));
  }
  return [...found].sort((a, b) => a - b);
}

function readReports(statement: Statement, reports: readonly number[]): StoreOperations["readReports"]["output"] {
  const sql = "SELECT id, received_ms, payload FROM reports WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id";
  return statement(sql)
    .all(JSON.stringify(reports))
    .map((row) => ({ report: Number(row.id), receivedAtMs: Number(row.received_ms), payload: bytesOf(row.payload) }));
}

function listBoots(statement: Statement, nodeId: string, limit: number): BootRecord[] {
  return statement(
    `SELECT b.* FROM boots b JOIN nodes n ON n.id = b.node WHERE n.node_id = ?
     ORDER BY b.first_received_ms DESC, b.boot_id LIMIT ?`,
  )
    .all(nodeId, limit)
    .map((row) => ({
      bootId: bytesOf(row.boot_id),
      firstSequence: Number(row.first_sequence),
      lastSequence: Number(row.last_sequence),
      reports: Number(row.reports),
      windows: Number(row.windows),
      duplicates: Number(row.duplicates),
    }));
}

function listIncidents(statement: Statement, query: IncidentQuery): StoredIncident[] {
  const { nodeId, openOnly, sinceMs, limit, after } = query;
  const inputs: SQLInputValue[] = [
    nodeId,
    openOnly ? 1 : 0,
    sinceMs,
    after?.startedAtMs ?? Number.MAX_SAFE_INTEGER,
    after?.id ?? Number.MAX_SAFE_INTEGER,
    limit,
  ];
  return statement(
    `SELECT i.*, n.node_id FROM incidents i JOIN nodes n ON n.id = i.node
     WHERE (?1 = '' OR n.node_id = ?1) AND (?2 = 0 OR i.ended_ms IS NULL) AND (i.ended_ms IS NULL OR i.ended_ms >= ?3)
       AND (i.started_ms, i.id) < (?4, ?5)
     ORDER BY i.started_ms DESC, i.id DESC LIMIT ?6`,
  )
    .all(...inputs)
    .map(storedIncidentOf);
}

function openIncidents(statement: Statement, nodeId: string): StoredIncident[] {
  return statement(
    `SELECT i.*, n.node_id FROM nodes n JOIN incidents i ON i.node = n.id WHERE n.node_id = ? AND i.ended_ms IS NULL`,
  )
    .all(nodeId)
    .map(storedIncidentOf);
}

function storedIncidentOf(row: Readonly<Record<string, SQLOutputValue>>): StoredIncident {
  return {
    id: Number(row.id),
    nodeId: String(row.node_id),
    requirementId: String(row.requirement_id),
    targetId: String(row.target_id),
    verdict: String(row.verdict),
    cause: String(row.cause),
    evidence: String(row.evidence),
    nextStep: String(row.next_step),
    startedAtMs: Number(row.started_ms),
    endedAtMs: row.ended_ms === null ? undefined : Number(row.ended_ms),
    changesJson: String(row.changes_json),
    droppedChanges: Number(row.dropped_changes),
  };
}
