/** Windows and encoded reports, for tests. */
import type { Evidence, Reason } from "@lifeline/measure";
import { followRun, type Window, windowOf } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS } from "@lifeline/wire";
import { TARGET } from "./deployment-fixture.ts";

/** A window of one sample that has just ended. */
export function windowOfOne(
  endMs: number,
  targetId = TARGET,
  reason: Reason = "answered",
  evidence: Evidence = {},
): Window {
  const outcome = { reason, phase: "connect" } as const;
  const sample = { targetId, startedAtMs: endMs - 1, endedAtMs: endMs, outcome, phases: {}, evidence };
  return windowOf(followRun(undefined, sample), endMs - 1_000, endMs);
}

/** What a report of {@link reportBytes} holds. */
export interface ReportOptions {
  readonly sealedAtMs: number;
  /** Default {@link TARGET}. */
  readonly targetId?: string;
  /** Default `answered`. */
  readonly reason?: Reason;
  readonly evidence?: Evidence;
  /** How many windows, all alike; default 1. */
  readonly windows?: number;
  /** Three texts of that length besides. */
  readonly evidenceChars?: number;
  /** And as many addresses of that length. */
  readonly texts?: number;
}

/** A report whose windows hold one sample each, that ended when it was sealed. */
export function reportBytes(options: ReportOptions): Uint8Array {
  const { sealedAtMs, targetId = TARGET, reason = "answered", windows = 1, evidenceChars = 0, texts = 0 } = options;
  const text = "x".repeat(evidenceChars);
  const answers = Array.from({ length: texts }, () => text);
  const evidence = {
    ...(texts === 0 ? {} : { answers }),
    ...(evidenceChars === 0 ? {} : { code: text, alpn: text, tlsVersion: text }),
    ...options.evidence,
  };
  const one = windowOfOne(sealedAtMs, targetId, reason, evidence);
  return encodeReport({
    sealedAtMs,
    windows: Array.from({ length: windows }, () => one),
    selfMetrics: NO_SELF_METRICS,
  });
}
