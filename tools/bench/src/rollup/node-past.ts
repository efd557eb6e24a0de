/** The reports of one node over some hours, made up without chance: the same in every run. */
import type { ReportRecord } from "@lifeline/collector";
import type { Reason, Sample } from "@lifeline/measure";
import { followRun, mergeWindows, type Run, WINDOW_MS, type Window, windowOf } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS } from "@lifeline/wire";

/** Targets of a large node: every row of the catalogue, both families. */
export const TARGETS = 91;

/** Attempts of a target in a window: one a second. */
const ATTEMPTS = 10;

/** Every so many attempts one is lost, or takes twice as long. */
const LOST_EVERY = 1_000;
const SLOW_EVERY = 100;

/** Round-trip times lie within a tenth of 20 ms, a continent's width, spread by the golden ratio's multiples. */
const RTT_NS = 20e6;
const RTT_SPREAD = 0.1;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

const BOOT_ID = new Uint8Array(16).fill(1);
/** The reports of `hours` that begin at `fromMs`, a window of each target in each. */
export function* reportsOf(nodeId: string, fromMs: number, hours: number): Generator<ReportRecord> {
  const runs = new Map<string, Run>();
  const targetIds = Array.from({ length: TARGETS }, (_, at) => `requirement-${at}|tcp|host-${at}.example.com:443|ipv4`);
  for (let sequence = 1; sequence <= (hours * 3_600_000) / WINDOW_MS; sequence++) {
    const startMs = fromMs + (sequence - 1) * WINDOW_MS;
    const windows = targetIds.map((targetId, at) =>
      windowAt(runs, targetId, startMs, (sequence * TARGETS + at) * ATTEMPTS),
    );
    const endMs = startMs + WINDOW_MS;
    yield {
      nodeId,
      bootId: BOOT_ID,
      sequence,
      receivedAtMs: endMs,
      sealedAtMs: endMs,
      clockOffsetMs: undefined,
      payload: encodeReport({ sealedAtMs: endMs, windows, selfMetrics: NO_SELF_METRICS }),
      windowCount: windows.length,
      windows: windows.map(({ targetId }, position) => ({ targetId, position, startMs, endMs })),
    };
  }
}

function windowAt(runs: Map<string, Run>, targetId: string, startMs: number, firstAttempt: number): Window {
  const windows = Array.from({ length: ATTEMPTS }, (_, second): Window => {
    const sample = sampleAt(targetId, startMs + second * 1_000, firstAttempt + second);
    const followed = followRun(runs.get(targetId), sample);
    runs.set(targetId, followed.run);
    return windowOf(followed, startMs, startMs + WINDOW_MS);
  });
  return windows.reduce(mergeWindows);
}

function sampleAt(targetId: string, startedAtMs: number, attempt: number): Sample {
  const isLost = attempt % LOST_EVERY === 0;
  const reason: Reason = isLost ? "timeout" : "answered";
  const spread = 1 + RTT_SPREAD * ((attempt * GOLDEN) % 1);
  const rttNs = Math.round(RTT_NS * spread * (attempt % SLOW_EVERY === 1 ? 2 : 1));
  return {
    targetId,
    startedAtMs,
    endedAtMs: startedAtMs + 20,
    outcome: { reason, phase: "connect" },
    ...(isLost ? {} : { rtt: { ns: rttNs, source: "kernel" as const } }),
    phases: isLost ? {} : { dnsNs: 100_000, connectNs: rttNs },
    evidence: { address: "203.0.113.10", localAddress: "198.51.100.7" },
  };
}
