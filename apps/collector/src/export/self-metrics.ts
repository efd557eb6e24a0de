/** The collector's own metrics. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** The collector's own metrics. Label values are of closed lists, so their number is bounded (S2). */
export interface SelfMetrics {
  readonly registry: Registry;
  readonly reports: Counter<"result">;
  readonly refusedReports: Counter<"code">;
  readonly futureDated: Counter;
  readonly throttledReports: Counter;
  readonly deferredReports: Counter;
  readonly refusedStreams: Counter<"code">;
  readonly replacedStreams: Counter;
  readonly cutStreams: Counter;
  readonly overflows: Counter<"what">;
  readonly storeFailures: Counter;
  readonly commitSeconds: Histogram;
  readonly commitOperations: Histogram;
  readonly judgeSeconds: Histogram;
  readonly prunedRows: Counter;
  readonly retentionBlocked: Gauge<"reason">;
  readonly retentionLastRun: Gauge;
  /** Seconds; not a number before a node has sent what its clock reads. */
  readonly clockOffset: Gauge;
  readonly orphanWrites: Counter;
  readonly rolledReports: Counter;
  readonly pendingRollups: Gauge;
  readonly undecodable: Counter;
  readonly rollupOverflows: Counter;
  readonly droppedFacts: Counter<"field">;
  readonly refusedConnections: Counter<"reason">;
  readonly refusedCalls: Counter<"reason">;
  readonly refusedRequests: Counter<"reason">;
  readonly refusedClaims: Counter<"holder">;
  readonly enrolAttempts: Counter<"result">;
}

/** Counters and histograms, and the gauges that are set. Gauges that are read at a scrape: collector-gauges.ts. */
export function createSelfMetrics(): SelfMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // Gauges whose names end in _total, against Prometheus's conventions. Each has a sibling by kind that says more.
  for (const name of ["active_resources", "active_handles", "active_requests"]) {
    registry.removeSingleMetric(`nodejs_${name}_total`);
  }
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: `lifeline_collector_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `lifeline_collector_${name}`, help, buckets, registers });
  const pendingRollups = new Gauge({
    name: "lifeline_collector_rollup_pending_reports",
    help: "Reports that wait for their roll-up; up to five minutes of the fleet's reports in normal operation.",
    registers,
  });
  const retentionBlocked = new Gauge({
    name: "lifeline_collector_retention_blocked",
    help: "1 for the reason why nothing is pruned now, 0 for the others; all are 0 while pruning runs.",
    labelNames: ["reason"],
    registers,
  });
  const retentionLastRun = new Gauge({
    name: "lifeline_collector_retention_last_run_timestamp_seconds",
    help: "When pruning ran last, before a restart too; before the first time, when the collector started.",
    registers,
  });
  const clockOffset = new Gauge({
    name: "lifeline_collector_clock_offset_seconds",
    help: "How far the collector's clock is behind the median of the nodes' clocks; negative when it is ahead.",
    registers,
  });
  const refusedClaims = counter(
    "node_claims_refused_total",
    "Claims of another key to the id of an enrolled node, by whether the key that holds it is lasting or ephemeral.",
    ["holder"],
  );
  // Zero from the start: an alert on growth sees the first claim only where there was a number before.
  for (const holder of ["lasting", "ephemeral"] as const) refusedClaims.inc({ holder }, 0);
  // Unknown before the first step, which is not zero (M4).
  pendingRollups.set(Number.NaN);
  clockOffset.set(Number.NaN);
  return {
    registry,
    reports: counter("reports_total", "Reports that were admitted, by what the store made of them.", ["result"]),
    refusedReports: counter("reports_refused_total", "Reports that can never be admitted, by code.", ["code"]),
    futureDated: counter(
      "reports_future_dated_total",
      "Reports dated more than a day ahead of the agent's and the collector's clock. They are stored; the judge ignores windows that are ahead.",
    ),
    throttledReports: counter("reports_throttled_total", "Reports that waited because their node was over its quota."),
    deferredReports: counter("reports_deferred_total", "Late reports that had to wait for live ones."),
    refusedStreams: counter(
      "streams_refused_total",
      "Streams that were refused at the start or ended later, by code.",
      ["code"],
    ),
    replacedStreams: counter("streams_replaced_total", "Streams ended because the node opened another."),
    cutStreams: counter(
      "streams_cut_total",
      "Streams that broke off: the agent or the path to it is gone, or a message was too large or invalid.",
    ),
    overflows: counter("overflows_total", "Things that exceeded a bound, by bound.", ["what"]),
    storeFailures: counter("store_failures_total", "Transactions that failed; nothing of them was acknowledged."),
    commitSeconds: histogram(
      "store_commit_duration_seconds",
      "Time from handing a batch to the store until it was durable.",
      [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
    ),
    commitOperations: histogram(
      "store_commit_operations",
      "Operations committed together.",
      [1, 4, 16, 64, 256, 1_024],
    ),
    judgeSeconds: histogram(
      "judge_duration_seconds",
      "Time to judge one node.",
      [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1],
    ),
    orphanWrites: counter("orphan_writes_total", "Verdicts and incidents of nodes that the store does not know."),
    droppedFacts: counter(
      "hello_facts_dropped_total",
      "Optional facts of a Hello that could not be used, by field; the node was admitted without them.",
      ["field"],
    ),
    refusedConnections: counter("connections_refused_total", "Connections ended before a call, by reason.", ["reason"]),
    refusedCalls: counter("calls_refused_total", "Calls refused because the caller may not make them, by reason.", [
      "reason",
    ]),
    refusedRequests: counter("http_requests_refused_total", "HTTP requests not answered, by reason.", ["reason"]),
    refusedClaims,
    enrolAttempts: counter("enrol_attempts_total", "Attempts to enrol or renew, by result.", ["result"]),
    rolledReports: counter("rollup_reports_total", "Reports whose windows were merged into minutes and hours."),
    pendingRollups,
    undecodable: counter(
      "rollup_undecodable_total",
      "Reports and roll-ups that could not be decoded; the history is without them.",
    ),
    rollupOverflows: counter(
      "rollup_overflows_total",
      "Merges left out because a count of the roll-up would exceed what a window can hold.",
    ),
    retentionBlocked,
    retentionLastRun,
    clockOffset,
    prunedRows: counter("pruned_rows_total", "Rows deleted because they were older than the retention."),
  };
}
