/** What each operation of the store does to the tables; runs in the store's thread, within its batch's transaction. */
import { BootRows } from "./boot-rows.ts";
import { readHistory, readHistoryExtent } from "./history-rows.ts";
import { identityOperations } from "./identity-operations.ts";
import { IncidentRows } from "./incident-rows.ts";
import { NodeRows } from "./node-rows.ts";
import { PendingRollups } from "./pending-rollups.ts";
import { ReportRows } from "./report-rows.ts";
import { HOUR_S, MINUTE_S, pruneRollups, rollUp } from "./rollup.ts";
import type { Statement } from "./statement.ts";
import { StorageHours } from "./storage-hours.ts";
import type { OperationName, StoreOperations } from "./store-operations.ts";
import { VerdictRows } from "./verdict-rows.ts";

/** A function for every operation. */
export type Operations = {
  readonly [K in OperationName]: (input: StoreOperations[K]["input"]) => StoreOperations[K]["output"];
};

/** The operations on an open database, and `reset`, to be called after a transaction that was undone. */
export function operationsOn(statement: Statement): { readonly operations: Operations; reset(): void } {
  const hours = new StorageHours(statement);
  const pending = new PendingRollups(statement);
  const nodes = new NodeRows(statement, hours);
  const reports = new ReportRows(statement, { nodes, hours, pending });
  const incidents = new IncidentRows(statement, hours);
  const verdicts = new VerdictRows(statement);
  const boots = new BootRows(statement);
  /** Runs an operation on a node that the store knows. */
  const onNode = <T>(nodeId: string, run: (node: number) => T): T | "no-node" => {
    const node = nodes.numberOf(nodeId);
    return node === undefined ? "no-node" : run(node);
  };
  const operations: Operations = {
    saveNode: (node) => nodes.save(node),
    saveReport: (report) => reports.save(report),
    saveIncident: (incident) => onNode(incident.nodeId, (node) => incidents.save(node, incident)),
    saveVerdicts: (input) => onNode(input.nodeId, (node) => verdicts.save(node, input.verdicts)),
    closeHour({ endedMs, keepFromMs }) {
      hours.close(endedMs);
      hours.prune(keepFromMs);
      return undefined;
    },
    lastHourEndedMs: () => hours.lastEndedMs(),
    silentNodes: ({ nodeIds, beforeMs }) => nodes.silent(nodeIds, beforeMs),
    prune({ beforeMs, minuteBeforeMs, hourBeforeMs, reports: limit }) {
      const hour = hours.lastBefore(beforeMs);
      return (
        reports.prune(hour, limit) +
        incidents.prune(hour, limit) +
        pruneRollups(statement, MINUTE_S, hours.lastBefore(minuteBeforeMs), limit) +
        pruneRollups(statement, HOUR_S, hours.lastBefore(hourBeforeMs), limit)
      );
    },
    pruneNodes({ beforeMs, limit }) {
      nodes.prune(beforeMs, limit);
      return undefined;
    },
    rollUp: (input) => rollUp(statement, pending, hours.current(), input),
    touch({ nowMs }) {
      statement("INSERT INTO heartbeat VALUES (1, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms").run(nowMs);
      return undefined;
    },
    listNodes: ({ limit }) => nodes.list(limit),
    listVerdicts: ({ nodeId }) => verdicts.list(nodeId),
    recentReports: (input) => reports.recent(input),
    readReports: (input) => reports.read(input.reports),
    historyExtent: ({ nodeId }) => onNode(nodeId, (node) => readHistoryExtent(statement, node)),
    history(query) {
      const found = onNode(query.nodeId, (node) => readHistory(statement, pending, node, query));
      return found === "no-node" ? { kind: "no-node" } : found;
    },
    listBoots: ({ nodeId, limit }) => boots.list(nodeId, limit),
    listIncidents: (query) => incidents.list(query),
    openIncidents: ({ nodeId }) => incidents.open(nodeId),
    ...identityOperations(statement, hours),
  };
  return {
    operations,
    reset() {
      hours.reset();
      pending.reset();
    },
  };
}
