import type { StatusRow } from "@lifeline/cli";
import { describe, expect, it } from "vitest";
import { isRecovered, rootsOf } from "./collector-answer.ts";

const met: StatusRow = {
  node: "node1",
  requirement: "machine-api",
  obligation: "required",
  required: true,
  target: "omni.lab.test:8090",
  probe: "tcp",
  ipVersion: 4,
  proxy: null,
  comparison: false,
  verdict: "met",
  cause: null,
  udpEvidence: null,
  evidence: "",
  nextStep: null,
  notes: [],
  targetId: "a",
  followsFrom: null,
  sinceMs: 0,
  ended: 0,
  failed: 0,
  sent: 0,
  lost: 0,
  late: 0,
  silent: 0,
  notSent: 0,
  lossRatio: null,
  lossInterval: [0, 1],
  directions: null,
  rttNs: { p50: null, p95: null, max: null },
  rttCount: 0,
  rttKernelCount: 0,
};
const unmet: StatusRow = { ...met, verdict: "unmet", cause: "refused" };

describe("a drill's view of the collector's answers", () => {
  it("selects as roots the node's failing rows that count and follow from no other row", () => {
    const rows = [
      unmet,
      { ...unmet, targetId: "b", followsFrom: "a" },
      { ...unmet, targetId: "c", comparison: true },
      { ...unmet, targetId: "d", node: "node2" },
      { ...met, targetId: "e" },
      { ...unmet, targetId: "f", verdict: "unknown" as const },
    ];
    expect(rootsOf(rows, "node1")).toEqual([unmet]);
  });

  it.each<[string, StatusRow[], boolean]>([
    ["as before", [met], true],
    ["failing", [unmet], false],
    ["not known yet", [{ ...met, verdict: "unknown" }], false],
    ["gone", [], false],
  ])("a row that was met is recovered when it is met again: %s", (_, rows, recovered) => {
    expect(isRecovered(rows, [met], "node1")).toBe(recovered);
  });

  it("counts a row as recovered when it is as it was before the fault", () => {
    const before = { ...met, verdict: "unknown" as const };
    expect(isRecovered([{ ...before }], [before], "node1")).toBe(true);
    expect(isRecovered([unmet], [before], "node1")).toBe(false);
  });
});
