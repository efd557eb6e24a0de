import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deploymentFrom, parseCatalogue } from "@lifeline/catalogue";
import { manualClock, systemClock } from "@lifeline/measure";
import { emptyWindow } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS } from "@lifeline/wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type Store } from "../store/store.ts";
import { Fleet } from "./fleet.ts";
import { rehydrate } from "./rehydrate.ts";

const row = (id: string, protocol: string, probe: string) => `
  - id: ${id}
    purpose: test
    source: { document: d, version: v1, section: s }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: ${protocol}
    port: 443
    place: { kind: service, service: api }
    published: { value: x }
    effective: { value: x, evidence: [] }
    probes: [${probe}]`;
const catalogue = parseCatalogue(
  "test.yaml",
  `
schema: 1
version: v1.13
title: test
requirements:${row("slow", "tcp", "{ probe: tls, trust: public, alpn: [], alpnRequired: false }")}${row("fast", "tcp", "{ probe: tcp, acceptReset: false }")}
`,
);
const deployment = deploymentFrom({ api: "https://127.0.0.1:8443", siderolink: [] });
const SLOW = "slow|tls|127.0.0.1:8443|ipv4";
const FAST = "fast|tcp|127.0.0.1:8443|ipv4";
const NOW_MS = 10_000_000;
const ALL_NODES = 0;

/** A fleet so large that TLS handshakes, at 50 a second in all, are 20.5 s apart. */
const FLEET_SIZE = 600;

let directory = "";
let store: Store;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-rehydrate-"));
  const silent = { onCommit: () => {}, onFailure: () => {}, onOverflow: () => {}, onStoreCrash: () => {} };
  store = await openStore(join(directory, "collector.db"), systemClock, silent);
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const saveNode = (nodeId: string) => {
  const facts = { nodeId, roles: ["talos-node"], families: [4] };
  const identity = {
    nodeId,
    hostname: "h",
    agentVersion: "1",
    factsJson: JSON.stringify(facts),
    seenFromJson: undefined,
  };
  return store.submit("saveNode", { ...identity, seenAtMs: NOW_MS, clockOffsetMs: undefined });
};

const saveReport = (nodeId: string, sequence: number, targetId: string, endMs: number) => {
  const windows = [{ ...emptyWindow(targetId, endMs - 1_000, endMs), started: 1 }];
  return store.submit("saveReport", {
    nodeId,
    bootId: new Uint8Array(16),
    sequence,
    receivedAtMs: endMs,
    sealedAtMs: endMs,
    clockOffsetMs: undefined,
    payload: encodeReport({ sealedAtMs: endMs, windows, selfMetrics: NO_SELF_METRICS }),
    windowCount: 1,
    windows: windows.map((window) => ({ ...window, position: 0 })),
  });
};

describe("after a restart", () => {
  it("each target has the windows of its own lookback, at the pace of the whole fleet", async () => {
    const ids = Array.from({ length: FLEET_SIZE }, (_, at) => `n${at}`);
    await Promise.all(ids.map(saveNode));
    await saveReport("n0", 1, SLOW, NOW_MS - 175_000);
    await Promise.all(
      Array.from({ length: 400 }, (_, at) => saveReport("n0", at + 2, FAST, NOW_MS - 100_000 + at * 250)),
    );
    await Promise.all(ids.slice(1).map((id) => saveReport(id, 1, SLOW, NOW_MS - 1_000)));
    const fleet = new Fleet({ catalogue, deployment }, { onOverflow: () => {} });
    await rehydrate(fleet, store, manualClock(NOW_MS), ALL_NODES);
    expect(fleet.nodes.size).toBe(FLEET_SIZE);
    const node = fleet.nodes.get("n0");
    expect(node?.plan.targets.map(({ cadenceMs }) => cadenceMs)).toEqual([20_500, 2_100]);
    expect(node?.recent.of(SLOW).map(({ endMs }) => endMs)).toEqual([NOW_MS - 175_000]);
    expect(node?.recent.of(FAST)).toHaveLength(128);
    expect(node?.recent.of(FAST).at(-1)?.endMs).toBe(NOW_MS - 250);
  });

  it("it leaves out nodes that were silent since before a time, whatever its clock says", async () => {
    for (const nodeId of ["n1", "n2", "n3"]) {
      await saveNode(nodeId);
      await saveReport(nodeId, 1, FAST, NOW_MS);
    }
    await store.submit("closeHour", { endedMs: 5_000, keepFromMs: 0 });
    await saveReport("n2", 2, FAST, NOW_MS);
    await saveNode("n3");
    for (const [silentBeforeMs, want] of [
      [4_999, ["n1", "n2", "n3"]],
      [5_000, ["n2", "n3"]],
    ] as const) {
      const fleet = new Fleet({ catalogue, deployment }, { onOverflow: () => {} });
      await rehydrate(fleet, store, manualClock(NOW_MS), silentBeforeMs);
      expect([...fleet.nodes.keys()].sort()).toEqual(want);
    }
  });

  it("a node has the addresses it was observed from, and its verdicts their causes", async () => {
    await saveNode("n1");
    const facts = { nodeId: "n2", roles: ["talos-node"], families: [4] };
    const seenFrom = { addresses: ["192.0.2.1"], peerAddress: "192.0.2.2", observedEndpoint: "203.0.113.1:51820" };
    const stored = { nodeId: "n2", hostname: "h", agentVersion: "1", factsJson: JSON.stringify(facts) };
    const seenFromJson = JSON.stringify(seenFrom);
    await store.submit("saveNode", { ...stored, seenFromJson, seenAtMs: NOW_MS, clockOffsetMs: undefined });
    const fault = { cause: "forward-path-blocked", onsetMs: 7, evidence: "e", nextStep: "s" };
    const verdicts = [
      { rowKey: "a", verdict: "unmet", sinceMs: 8, fault },
      { rowKey: "b", verdict: "unmet", sinceMs: 8, fault: { ...fault, cause: "of a later collector" } },
      { rowKey: "c", verdict: "met", sinceMs: 9, fault: undefined },
    ];
    await store.submit("saveVerdicts", { nodeId: "n2", verdicts });
    const fleet = new Fleet({ catalogue, deployment }, { onOverflow: () => {} });
    await rehydrate(fleet, store, manualClock(NOW_MS), ALL_NODES);
    expect(fleet.nodes.get("n1")).toMatchObject({ addresses: [], peerAddress: undefined, observedEndpoint: undefined });
    expect(fleet.nodes.get("n2")).toMatchObject(seenFrom);
    expect([...(fleet.nodes.get("n2")?.previous ?? [])]).toEqual([
      ["a", { verdict: "unmet", sinceMs: 8, ...fault }],
      ["b", { verdict: "unmet", sinceMs: 8 }],
      ["c", { verdict: "met", sinceMs: 9 }],
    ]);
  });
});
