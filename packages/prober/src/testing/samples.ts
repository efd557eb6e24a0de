/** Targets and samples of tests. */
import { type Reason, type Sample, type Target, targetId } from "@lifeline/measure";

/** A TCP target on loopback. */
export function tcpTarget(port: number, overrides: Partial<Omit<Target, "id">> = {}): Target {
  const target = {
    requirementId: "test",
    host: "127.0.0.1",
    port,
    family: 4,
    options: { probe: "tcp", acceptReset: false },
    cadenceMs: 1_000,
    timeoutMs: 500,
    ...overrides,
  } as const;
  return { id: targetId(target), ...target };
}

/** A sample that took `tookMs` and ended for `reason`. */
export function sampleOf(target: string, startedAtMs: number, reason: Reason, tookMs = 10): Sample {
  const rtt = reason === "answered" ? { rtt: { ns: tookMs * 1_000_000, source: "kernel" as const } } : {};
  return {
    targetId: target,
    startedAtMs,
    endedAtMs: startedAtMs + tookMs,
    outcome: { reason, phase: "connect" },
    ...rtt,
    phases: {},
    evidence: { code: reason },
  };
}
