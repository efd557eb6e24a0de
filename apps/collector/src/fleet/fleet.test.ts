import { deploymentFrom, parseCatalogue } from "@lifeline/catalogue";
import { emptyWindow } from "@lifeline/window";
import { NO_SELF_METRICS, type Report } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { Fleet } from "./fleet.ts";
import type { Node, NodeDescription } from "./node.ts";
import { applyNodeEvent } from "./node-state.ts";
import { MAX_RECENT_WINDOWS } from "./recent-windows.ts";

const catalogue = parseCatalogue(
  "test.yaml",
  `
schema: 1
version: v1.13
title: test
requirements:
  - id: api
    purpose: test
    source: { document: d, version: v1, section: s }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: tcp
    port: 443
    place: { kind: service, service: api }
    published: { value: x }
    effective: { value: x, evidence: [] }
    probes: [{ probe: tls, trust: public, alpn: [], alpnRequired: false }]
`,
);
const deployment = deploymentFrom({ api: "https://127.0.0.1:8443", siderolink: [] });
const TARGET = "api|tls|127.0.0.1:8443|ipv4";

function fleetOf(count: number) {
  const overflows: string[] = [];
  const fleet = new Fleet({ catalogue, deployment }, { onOverflow: (what) => overflows.push(what) });
  const nodes = Array.from({ length: count }, (_, at) => admit(`n${at}`));
  function admit(nodeId: string, nowMs = 1_000, roles: NodeDescription["facts"]["roles"] = ["talos-node"]): Node {
    const facts: NodeDescription["facts"] = { nodeId, roles, families: [4] };
    const node = fleet.admit(
      { facts, hostname: "h", agentVersion: "1", addresses: [], observedEndpoint: undefined },
      nowMs,
    );
    if (node === undefined) throw new Error("no room");
    return node;
  }
  return { fleet, nodes, overflows, admit };
}

const report = (sealedAtMs: number, windows: Report["windows"]): Report => ({
  sealedAtMs,
  windows,
  selfMetrics: NO_SELF_METRICS,
});
const take = (node: Node, taken: Report, receivedAtMs: number) =>
  applyNodeEvent(node, { kind: "report-taken", report: taken, receivedAtMs, isCounted: true });
const window = (endMs: number, targetId = TARGET) => ({
  ...emptyWindow(targetId, endMs - 1_000, endMs),
  started: 1,
  counts: new Map([["answered" as const, 1]]),
});

describe("the fleet", () => {
  it("offers connected agents a slower plan when it doubles past an endpoint's budget (P1)", () => {
    const { fleet, nodes } = fleetOf(100);
    const offered: number[] = [];
    for (const node of nodes) {
      const offerPlan = ({ targets }: Node["plan"]) => void offered.push(targets[0]?.cadenceMs ?? 0);
      applyNodeEvent(node, { kind: "session-started", session: { offerPlan, end: () => {} } });
    }
    expect(nodes[0]?.plan.targets[0]?.cadenceMs).toBe(1_000);
    expect(fleet.updateCadences(1_000)).toBe(true);
    expect(offered).toEqual(Array.from({ length: 100 }, () => 2_600));
    expect(fleet.updateCadences(1_000)).toBe(false);
  });

  it("counts a node towards the cadences for ten minutes after its last report", () => {
    const { fleet, nodes } = fleetOf(100);
    for (const node of nodes) applyNodeEvent(node, { kind: "report-stored", receivedAtMs: 1_000_000 });
    expect(fleet.updateCadences(1_000_000 + 599_999)).toBe(true);
    expect(fleet.updateCadences(1_000_000 + 600_000)).toBe(true);
    expect(nodes[0]?.plan.targets[0]?.cadenceMs).toBe(1_000);
    // By a clock that was ahead by that much, and was put right.
    expect(fleet.updateCadences(1_000_000 - 600_000)).toBe(false);
  });

  it("keeps a bounded number of recent windows, and counts what it does not keep (S2)", () => {
    const { nodes, overflows } = fleetOf(1);
    const [node] = nodes;
    if (node === undefined) throw new Error("no node");
    const windows = Array.from({ length: MAX_RECENT_WINDOWS + 2 }, (_, at) => window(1_000_000 + at));
    take(node, report(1_000_200, [...windows, window(1_000_000, "unplanned")]), 1_000_200);
    expect(node.recent.of(TARGET)).toHaveLength(MAX_RECENT_WINDOWS);
    expect(overflows).toEqual(["recent-windows", "recent-windows", "unplanned-windows"]);
    expect(node.counters.of(TARGET)?.attempts).toBe(MAX_RECENT_WINDOWS + 2);
  });

  it("drops windows by age, on the node's own clock", () => {
    const { nodes } = fleetOf(1);
    const [node] = nodes;
    if (node === undefined) throw new Error("no node");
    take(node, report(1_000_000, [window(1_000_000)]), 1_000_000);
    take(node, report(1_119_999, [window(1_119_999)]), 1_119_999);
    expect(node.recent.of(TARGET)).toHaveLength(2);
    applyNodeEvent(node, { kind: "clock-observed", offsetMs: -119_500, sample: undefined, mayBeDelayed: false });
    take(node, report(1_240_000, [window(1_240_000)]), 1_120_500);
    expect(node.recent.of(TARGET)).toHaveLength(1);
  });

  it("drops the counters of targets that have left the plan", () => {
    const { nodes, admit } = fleetOf(1);
    const [node] = nodes;
    if (node === undefined) throw new Error("no node");
    take(node, report(1_000_000, [window(1_000_000)]), 1_000_000);
    expect(node.counters.of(TARGET)).toBeDefined();
    admit("n0", 2_000, ["omni-host"]);
    expect(node.counters.of(TARGET)).toBeUndefined();
    admit("n0", 3_000);
    expect(node.plan.targets.map(({ id }) => id)).toEqual([TARGET]);
  });

  it("prunes nodes, and never one that is connected", () => {
    const { fleet, nodes } = fleetOf(3);
    const [, connected] = nodes;
    const session = { offerPlan: () => {}, end: () => {} };
    if (connected !== undefined) applyNodeEvent(connected, { kind: "session-started", session });
    fleet.prune(["n0", "n1", "unknown"]);
    expect([...fleet.nodes.keys()]).toEqual(["n1", "n2"]);
  });
});

describe("the hosts of redirects", () => {
  const registry = parseCatalogue(
    "test.yaml",
    `
schema: 1
version: v1.13
title: test
requirements:
  - id: hub
    purpose: test
    source: { document: d, version: v1, section: s }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: tcp
    port: 443
    place: { kind: hosts, hosts: [hub.test, blobs.test] }
    published: { value: x }
    effective: { value: x, evidence: [] }
    probes: [{ probe: registry, trust: public }]
`,
  );
  const HUB = "hub|registry|hub.test:443/v2|ipv4";
  const facts: NodeDescription["facts"] = { nodeId: "n", roles: ["talos-node"], families: [4] };
  const description = { facts, hostname: "h", agentVersion: "1", addresses: [], observedEndpoint: undefined };
  const ids = (node: Node) => node.plan.targets.map(({ id }) => id);
  const DERIVED = ["hub|tcp|blobs.test:443|ipv4", "hub|tls|blobs.test:443|ipv4"];

  function start() {
    const fleet = new Fleet({ catalogue: registry, deployment }, { onOverflow: () => {} });
    const node = fleet.admit(description, 1_000);
    if (node === undefined) throw new Error("no room");
    return { fleet, node };
  }

  function redirected(endMs: number) {
    const evidence = { address: "203.0.113.1", redirects: ["https://blobs.test"] };
    const state = { watched: 0, stateLength: 1, stateStartedAtMs: endMs };
    const run = { ordinal: 1, outcomeClass: "good" as const, length: 1, startedAtMs: endMs, lossRun: 0, ...state };
    const last = { endedAtMs: endMs, reason: "answered" as const, phase: "first-byte" as const, run, evidence };
    return { ...window(endMs, HUB), last };
  }

  it("are planned once windows show them, and offered once", () => {
    const { fleet, node } = start();
    const offered: string[][] = [];
    applyNodeEvent(node, {
      kind: "session-started",
      session: { offerPlan: ({ targets }) => offered.push(targets.map(({ id }) => id)), end: () => {} },
    });
    take(node, report(5_000, [redirected(5_000)]), 5_000);
    expect(fleet.followRedirects(5_000)).toEqual([node]);
    expect(ids(node)).toEqual(expect.arrayContaining(DERIVED));
    expect(fleet.followRedirects(6_000)).toEqual([]);
    expect(offered).toHaveLength(1);
  });

  it("are facts of the node, which a new Hello does not change, and which a start takes from the store", () => {
    const { fleet, node } = start();
    take(node, report(5_000, [redirected(5_000)]), 5_000);
    fleet.followRedirects(5_000);
    fleet.admit(description, 6_000);
    expect(ids(node)).toEqual(expect.arrayContaining(DERIVED));
    const again = new Fleet({ catalogue: registry, deployment }, { onOverflow: () => {} });
    const rehydrated = again.admit({ ...description, facts: node.facts }, 7_000);
    expect(rehydrated && ids(rehydrated)).toEqual(expect.arrayContaining(DERIVED));
  });

  it("go an hour after they were last seen", () => {
    const { fleet, node } = start();
    take(node, report(5_000, [redirected(5_000)]), 5_000);
    fleet.followRedirects(5_000);
    expect(fleet.followRedirects(5_000 + 3_599_000)).toEqual([]);
    expect(fleet.followRedirects(5_000 + 3_600_000)).toEqual([node]);
    expect(ids(node)).not.toEqual(expect.arrayContaining(DERIVED));
    expect(node.facts.redirects).toBeUndefined();
  });
});
