import { describe, expect, it } from "vitest";
import { foldAlike } from "./fold.ts";
import { renderStatus } from "./status.ts";
import type { StatusRow } from "./status-row.ts";

const unresolved: StatusRow = {
  node: "n1",
  requirement: "omni-image-registry",
  obligation: "required",
  required: true,
  target: "ghcr.io:443",
  probe: "tcp",
  ipVersion: 4,
  proxy: null,
  comparison: false,
  udpEvidence: null,
  directions: null,
  verdict: "unmet",
  cause: "dns-nxdomain",
  evidence: "dns-nxdomain 10 times",
  nextStep: "fix the resolver",
  notes: [],
  targetId: "a",
  followsFrom: null,
  sinceMs: 2_000,
  ended: 0,
  failed: 0,
  sent: 0,
  lost: 0,
  late: 0,
  silent: 0,
  notSent: 10,
  lossRatio: null,
  lossInterval: [0, 1],
  rttNs: { p50: null, p95: null, max: null },
  rttCount: 0,
  rttKernelCount: 0,
};

describe("rows of one fate", () => {
  it("are one line that names every probe, counts every attempt and keeps the earliest onset", () => {
    const rows = [
      unresolved,
      { ...unresolved, ipVersion: 6 as const, sinceMs: 1_000 },
      { ...unresolved, probe: "tls" },
    ];
    expect(foldAlike(rows)).toEqual([
      { ...unresolved, probe: "tcp tls", ipVersion: null, sinceMs: 1_000, notSent: 30 },
    ]);
  });

  it.each([
    { name: "another endpoint", other: { target: "gcr.io:443" } },
    { name: "another cause", other: { cause: "unreachable" } },
    { name: "another verdict", other: { verdict: "unknown" as const } },
    { name: "another node", other: { node: "n2" } },
    { name: "a row that sent something", other: { sent: 3 } },
  ])("$name stays apart", ({ other }) => {
    expect(foldAlike([unresolved, { ...unresolved, ...other }])).toHaveLength(2);
  });

  it("rows with figures are never folded, however alike", () => {
    const met = { ...unresolved, verdict: "met" as const, sent: 5 };
    expect(foldAlike([met, met])).toHaveLength(2);
  });
});

describe("advice", () => {
  const root = {
    ...unresolved,
    requirement: "node-dns-udp",
    target: "10.0.0.53:53",
    probe: "dns",
    targetId: "root",
    sent: 9,
  };
  const symptom = (target: string) => ({ ...unresolved, target, targetId: target, followsFrom: "root" });
  const shown = (rows: readonly StatusRow[]) =>
    renderStatus(
      { generatedAtMs: 10_000, catalogueVersion: "", rows },
      { width: undefined, color: false, wide: false },
    );

  it("counts what follows from a fault below it instead of repeating what to do", () => {
    const text = shown([...["a:1", "b:1", "c:1", "d:1"].map(symptom), root]);
    expect(text.match(/→/g)).toHaveLength(1);
    expect(text).toContain(
      "4 rows follow from it: omni-image-registry tcp a:1, omni-image-registry tcp b:1, omni-image-registry tcp c:1 and 1 more",
    );
  });

  it("is each row's own where the fault it follows from is not shown", () => {
    expect(shown([symptom("a:1"), symptom("b:1")]).match(/→/g)).toHaveLength(2);
  });
});
