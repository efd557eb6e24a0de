import { describe, expect, it } from "vitest";
import type { StatusRow } from "../status-row.ts";
import { foldAlike } from "./fold.ts";

const unresolved: StatusRow = {
  node: "n1",
  requirement: "omni-image-registry",
  obligation: "required",
  required: true,
  target: "ghcr.io:443",
  probe: "tcp",
  ipVersion: 4,
  verdict: "unmet",
  cause: "dns",
  evidence: "dns-nxdomain 10 times",
  nextStep: "fix the resolver",
  sinceMs: 2_000,
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
