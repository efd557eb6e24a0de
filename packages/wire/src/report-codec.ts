/** Reports. The agent encodes a report once, spools it and sends those bytes. The collector decodes it. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { Window } from "@lifeline/window";
import {
  AgentSelfMetricsSchema,
  ReportSchema,
  type AgentSelfMetrics as WireSelfMetrics,
} from "./gen/lifeline/v1/report_pb.ts";
import {
  MAX_BUCKETS_PER_REPORT,
  MAX_IDENTIFIER_LENGTH,
  MAX_REPORT_BYTES,
  MAX_TARGETS_PER_NODE,
  MAX_UNIX_MS,
  MAX_WINDOWS_PER_REPORT,
} from "./limits.ts";
import { type Decoded, decoded, decoding, integer, list, refuse, text } from "./malformed.ts";
import { readMessage } from "./read-message.ts";
import { windowFromWire, windowToWire } from "./window-codec.ts";

/** Metrics of the agent itself; units as in report.proto. */
export type AgentSelfMetrics = Record<MetricName, number>;

const METRIC_NAMES = [
  "rssBytes",
  "cpuUs",
  "uptimeMs",
  "eventLoopMaxDelayNs",
  "spoolBytes",
  "spoolReports",
  "spoolDroppedReports",
  "spoolMemoryReports",
  "missedTicks",
  "refusedReports",
] as const;
type MetricName = (typeof METRIC_NAMES)[number];

/** All 0: for reports that no agent made. */
export const NO_SELF_METRICS: AgentSelfMetrics = Object.fromEntries(
  METRIC_NAMES.map((name) => [name, 0]),
) as AgentSelfMetrics;

/** Windows that were sealed together. */
export interface Report {
  /** Wall time of the sealing, ms since the epoch. */
  readonly sealedAtMs: number;
  readonly windows: readonly Window[];
  readonly selfMetrics: AgentSelfMetrics;
}

/**
 * Encodes a report. Throws a RangeError if it has more than MAX_WINDOWS_PER_REPORT windows; the agent splits it before.
 */
export function encodeReport(report: Report): Uint8Array {
  if (report.windows.length > MAX_WINDOWS_PER_REPORT) {
    throw new RangeError(`report.windows: got ${report.windows.length}, want at most ${MAX_WINDOWS_PER_REPORT}`);
  }
  const indexOf = new Map<string, number>();
  for (const { targetId } of report.windows) if (!indexOf.has(targetId)) indexOf.set(targetId, indexOf.size);
  return toBinary(
    ReportSchema,
    create(ReportSchema, {
      sealedUnixMs: BigInt(Math.round(report.sealedAtMs)),
      targetIds: [...indexOf.keys()],
      windows: report.windows.map((window) => windowToWire(window, indexOf.get(window.targetId) ?? 0)),
      selfMetrics: selfMetricsToWire(report.selfMetrics),
    }),
  );
}

/** Decodes a report. Refuses one that exceeds a limit or is malformed, with the field. */
export function decodeReport(bytes: Uint8Array): Decoded<Report> {
  return decoding(() => {
    if (bytes.length > MAX_REPORT_BYTES) refuse("report", `${bytes.length} bytes`, `at most ${MAX_REPORT_BYTES} bytes`);
    const wire = decoded(readMessage(ReportSchema, bytes));
    const targetIds = list("target_ids", wire.targetIds, MAX_TARGETS_PER_NODE);
    for (const [at, id] of targetIds.entries()) text(`target_ids[${at}]`, id, 1, MAX_IDENTIFIER_LENGTH);
    const buckets = wire.windows.reduce((sum, { rttBucketDeltas }) => sum + rttBucketDeltas.length, 0);
    if (buckets > MAX_BUCKETS_PER_REPORT) {
      refuse("windows", `${buckets} rtt_bucket_deltas in all`, `at most ${MAX_BUCKETS_PER_REPORT}`);
    }
    return {
      sealedAtMs: integer("sealed_unix_ms", wire.sealedUnixMs, 0, MAX_UNIX_MS),
      windows: list("windows", wire.windows, MAX_WINDOWS_PER_REPORT).map((window, at) =>
        windowFromWire(`windows[${at}]`, window, targetIds),
      ),
      selfMetrics: selfMetricsFromWire(wire.selfMetrics),
    };
  });
}

function selfMetricsToWire(selfMetrics: AgentSelfMetrics): WireSelfMetrics {
  const wire = create(AgentSelfMetricsSchema);
  for (const name of METRIC_NAMES) wire[name] = BigInt(Math.round(selfMetrics[name]));
  return wire;
}

function selfMetricsFromWire(wire: WireSelfMetrics | undefined): AgentSelfMetrics {
  const source = wire ?? create(AgentSelfMetricsSchema);
  const entries = METRIC_NAMES.map((name) => [
    name,
    integer(`self_metrics.${name}`, source[name], 0, Number.MAX_SAFE_INTEGER),
  ]);
  return Object.fromEntries(entries) as AgentSelfMetrics;
}
