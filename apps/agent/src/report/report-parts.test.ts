import { emptyWindow, followRun, windowOf } from "@lifeline/window";
import { type AgentSelfMetrics, decodeReport, MAX_REPORT_BYTES, MAX_TARGETS_PER_NODE } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { sampleOf } from "../testing/fixtures.ts";
import { boundedEvidence } from "./bounded-evidence.ts";
import { encodeParts } from "./report-parts.ts";

const selfMetrics: AgentSelfMetrics = {
  rssBytes: 1,
  cpuUs: 2,
  uptimeMs: 3,
  eventLoopMaxDelayNs: 4,
  spoolBytes: 5,
  spoolReports: 6,
  spoolDroppedReports: 7,
  spoolMemoryReports: 8,
  missedTicks: 9,
  refusedReports: 10,
};
const windowsOf = (count: number) => Array.from({ length: count }, (_, at) => emptyWindow(`target-${at}`, 0, 10_000));

function targetIdsOf(parts: readonly Uint8Array[]): string[] {
  return parts.flatMap((part) => {
    const decoded = decodeReport(part);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.malformed));
    return decoded.value.windows.map(({ targetId }) => targetId);
  });
}

describe("windows that were sealed together", () => {
  it("make one report when they fit, and are split by the number of targets otherwise", () => {
    expect(encodeParts(0, windowsOf(MAX_TARGETS_PER_NODE), selfMetrics)).toHaveLength(1);
    const windows = windowsOf(MAX_TARGETS_PER_NODE + 1);
    const parts = encodeParts(0, windows, selfMetrics);
    expect(parts).toHaveLength(2);
    expect(targetIdsOf(parts)).toEqual(windows.map(({ targetId }) => targetId));
  });

  it("are split by size too, so that the collector never refuses a report because of its evidence (S2)", () => {
    const windows = windowsOf(64);
    const parts = encodeParts(0, windows, selfMetrics, 500);
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(500);
    expect(targetIdsOf(parts)).toEqual(windows.map(({ targetId }) => targetId));
    expect(MAX_REPORT_BYTES).toBeGreaterThan(500);
  });

  it("are accepted whatever a peer wrote into the evidence", () => {
    const hostile = `CN=a\nO=b\u0000\u007f\u0085${"x".repeat(1_000)}`;
    const dates = { notBefore: hostile, notAfter: hostile };
    const certificate = { subject: hostile, issuer: hostile, ...dates, sha256: hostile, anchor: true };
    const evidence = boundedEvidence({
      address: hostile,
      answers: new Array<string>(50).fill(hostile),
      code: hostile,
      tlsVersion: hostile,
      alpn: hostile,
      chain: new Array<typeof certificate>(50).fill(certificate),
      httpStatus: 302,
      redirects: new Array<string>(50).fill(hostile),
    });
    const followed = followRun(undefined, { ...sampleOf("a", 0, "http-redirected"), evidence });
    expect(targetIdsOf(encodeParts(0, [windowOf(followed, 0, 1)], selfMetrics))).toEqual(["a"]);
  });
});
