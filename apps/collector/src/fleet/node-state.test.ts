import type { Resolution } from "@lifeline/catalogue";
import { type Target, targetId } from "@lifeline/measure";
import type { Incident, RowVerdict } from "@lifeline/verdict";
import { NO_SELF_METRICS } from "@lifeline/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { windowOfOne } from "../testing/report-fixture.ts";
import type { Node, NodeDescription, Session } from "./node.ts";
import type { NodeEvent } from "./node-events.ts";
import { applyNodeEvent, createNode } from "./node-state.ts";
import { SeriesBudget } from "./series-budget.ts";

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

const DESCRIPTION: NodeDescription = {
  facts: { nodeId: "n1", roles: ["talos-node"], families: [4] },
  hostname: "h1",
  agentVersion: "1",
  addresses: ["192.0.2.1"],
  observedEndpoint: undefined,
};
const RENAMED = { ...DESCRIPTION, hostname: "h2", observedEndpoint: "203.0.113.1:51820" };

function targetAt(host: string): Target {
  const options = { probe: "tcp", acceptReset: false } as const;
  const endpoint = { requirementId: "api", host, port: 443, family: 4 as const, options };
  return { id: targetId(endpoint), ...endpoint, cadenceMs: 1_000, timeoutMs: 950 };
}
const A = targetAt("192.0.2.10");
const B = targetAt("192.0.2.11");

function resolutionOf(...targets: Target[]): Resolution {
  const requirement = { id: "api", place: { kind: "service", service: "api" } } as never;
  const rest = { comparisonIds: [], thirdPartyIds: [], alternatives: [], skipped: [], notes: [] };
  return { catalogueVersion: "v1", rows: [{ requirement, kind: "targets", targets, ...rest }] };
}

const session = (): Session => ({ offerPlan() {}, end() {} });
const FIRST = session();
const SECOND = session();

const incident = (id: string, startedAtMs = 1) => ({ targetId: id, startedAtMs }) as Incident;
const row = { requirementId: "api", target: { id: A.id }, verdict: "unmet" } as unknown as RowVerdict;

const planned = (...targets: Target[]): NodeEvent => {
  return { kind: "planned", resolution: resolutionOf(...targets), fleetSize: 1, nowMs: NOW_MS };
};
const reported = (target: Target, endMs: number, isCounted = true): NodeEvent => {
  const report = { sealedAtMs: endMs, windows: [windowOfOne(endMs, target.id)], selfMetrics: NO_SELF_METRICS };
  return { kind: "report-taken", report, receivedAtMs: NOW_MS, isCounted };
};
const stored = (receivedAtMs: number): NodeEvent => ({ kind: "report-stored", receivedAtMs });
const clock = (offsetMs: number | undefined, sentMs?: number, mayBeDelayed = false): NodeEvent => {
  const sample = sentMs === undefined ? undefined : { sentMs, atNs: 0 };
  return { kind: "clock-observed", offsetMs, sample, mayBeDelayed };
};
const stepped = (stepMs: number): NodeEvent => {
  return { kind: "collector-clock-stepped", stepMs, nowMs: NOW_MS + stepMs, monotonicNs: 60e9 };
};
const opened = (bootId: string): NodeEvent => {
  return { kind: "stream-opened", bootId, peerAddress: "192.0.2.9", nowMs: NOW_MS };
};

function nodeAfter(events: readonly NodeEvent[]) {
  const overflows: string[] = [];
  const series = new SeriesBudget();
  const node = createNode(DESCRIPTION, NOW_MS, { series, onOverflow: (what) => overflows.push(what) });
  for (const event of events) applyNodeEvent(node, event);
  return { node, overflows };
}

/** Everything that can be read of a node. */
function viewOf(node: Node) {
  const { boots, recent, counters, ...plain } = node;
  return {
    hostname: plain.hostname,
    peerAddress: plain.peerAddress,
    observedEndpoint: plain.observedEndpoint,
    firstSeenMs: plain.firstSeenMs,
    lastReportMs: plain.lastReportMs,
    targets: plain.plan.targets.map(({ id }) => id),
    isThrottled: plain.isThrottled,
    clockOffsetMs: plain.clockOffsetMs,
    clockSample: plain.clockSample,
    roughClockSample: plain.roughClockSample,
    rows: plain.rows,
    previous: [...plain.previous],
    incidents: [...plain.incidents],
    deferredIncidents: [...plain.deferredIncidents],
    isConnected: plain.session !== undefined,
    duplicate: boots.duplicate(NOW_MS),
    recent: [A, B].map(({ id }) => recent.of(id).map(({ endMs }) => endMs)),
    attempts: [A, B].map(({ id }) => counters.of(id)?.attempts),
  };
}

const contact = { firstSeenMs: 5, lastReportMs: 6, clockOffsetMs: 7, peerAddress: "192.0.2.8" };
const judged: NodeEvent = {
  kind: "judged",
  rows: [row],
  incidents: new Map([[A.id, incident(A.id)]]),
  deferredIncidents: new Set([B.id]),
};

describe("what an event changes of a node", () => {
  it.each<[string, NodeEvent[], Partial<ReturnType<typeof viewOf>>]>([
    [
      "a description",
      [{ kind: "described", description: RENAMED }],
      { hostname: "h2", observedEndpoint: "203.0.113.1:51820" },
    ],
    ["a plan", [planned(A, B)], { targets: [A.id, B.id] }],
    ["a plan without a target", [planned(A), reported(A, NOW_MS), planned(B)], { attempts: [undefined, undefined] }],
    ["a stream", [opened("a")], { peerAddress: "192.0.2.9", duplicate: undefined }],
    [
      "streams of two boots in turn",
      ["a", "b", "a"].map(opened),
      { duplicate: { peers: ["192.0.2.9 (h1), boot a", "192.0.2.9 (h1), boot b"], sinceMs: NOW_MS } },
    ],
    [
      "a boot that comes back after another one, whose windows are dropped",
      [planned(A), opened("a"), opened("b"), reported(A, NOW_MS - 2), opened("a"), reported(A, NOW_MS - 1)],
      { recent: [[NOW_MS - 1], []] },
    ],
    [
      "a restart, and a stream that is opened again",
      [planned(A), opened("a"), reported(A, NOW_MS - 2), opened("b"), opened("b"), reported(A, NOW_MS - 1)],
      { recent: [[NOW_MS - 2, NOW_MS - 1], []] },
    ],
    ["a session", [{ kind: "session-started", session: FIRST }], { isConnected: true }],
    [
      "its end",
      [
        { kind: "session-started", session: FIRST },
        { kind: "session-ended", session: FIRST },
      ],
      { isConnected: false },
    ],
    [
      "the end of the one before",
      [
        { kind: "session-started", session: FIRST },
        { kind: "session-started", session: SECOND },
        { kind: "session-ended", session: FIRST },
      ],
      { isConnected: true },
    ],
    [
      "a clock sample",
      [clock(5, 1)],
      { clockOffsetMs: 5, clockSample: { sentMs: 1, atNs: 0 }, roughClockSample: { sentMs: 1, atNs: 0 } },
    ],
    [
      "a clock sample that may be delayed",
      [clock(5, 1), clock(5, 2, true)],
      { clockOffsetMs: 5, clockSample: { sentMs: 1, atNs: 0 }, roughClockSample: { sentMs: 2, atNs: 0 } },
    ],
    [
      "a message without one",
      [clock(5, 1), clock(undefined)],
      { clockOffsetMs: 5, clockSample: { sentMs: 1, atNs: 0 }, roughClockSample: { sentMs: 1, atNs: 0 } },
    ],
    // The node is one second behind, as its sample of a minute ago shows.
    ["a step after a sample", [clock(1_000, NOW_MS - 61_000), stepped(-HOUR_MS)], { clockOffsetMs: 1_000 - HOUR_MS }],
    ["a step after an offset alone", [clock(5_000), stepped(-HOUR_MS)], { clockOffsetMs: 5_000 - HOUR_MS }],
    [
      "a step, and a sample before it was found",
      [clock(-HOUR_MS, NOW_MS - 60_000), stepped(-HOUR_MS)],
      { clockOffsetMs: -HOUR_MS },
    ],
    ["a step while no offset is known", [stepped(HOUR_MS)], { clockOffsetMs: undefined }],
    ["a quota that is used up", [{ kind: "throttled", isThrottled: true }], { isThrottled: true }],
    ["a stored report", [stored(9)], { lastReportMs: 9 }],
    ["an earlier report that was stored later", [stored(NOW_MS), stored(NOW_MS - 1)], { lastReportMs: NOW_MS }],
    [
      "a report after the clock was set back",
      [stored(NOW_MS), stored(NOW_MS - 30 * 24 * HOUR_MS)],
      { lastReportMs: NOW_MS - 30 * 24 * HOUR_MS },
    ],
    ["a report", [planned(A), reported(A, NOW_MS)], { recent: [[NOW_MS], []], attempts: [1, undefined] }],
    [
      "a report from the store",
      [planned(A), reported(A, NOW_MS, false)],
      { recent: [[NOW_MS], []], attempts: [undefined, undefined] },
    ],
    [
      "a report that is late",
      [planned(A), reported(A, NOW_MS - HOUR_MS)],
      { recent: [[], []], attempts: [1, undefined] },
    ],
    [
      "a report that is dated ahead",
      [planned(A), reported(A, NOW_MS + HOUR_MS)],
      { recent: [[], []], attempts: [1, undefined] },
    ],
    [
      "a judgement",
      [judged],
      {
        rows: [row],
        previous: [[A.id, row]] as never,
        incidents: [[A.id, incident(A.id)]],
        deferredIncidents: [B.id],
      },
    ],
    [
      "a late incident",
      [{ kind: "late-incident-opened", incident: incident(B.id) }],
      { incidents: [[B.id, incident(B.id)]] },
    ],
    ["the late end of an incident", [judged, { kind: "late-incident-closed", targetId: A.id }], { incidents: [] }],
    ["what the store has of it", [{ kind: "contact-rehydrated", contact }], { ...contact }],
    ["stored verdicts", [{ kind: "verdicts-rehydrated", previous: new Map() }], { previous: [] }],
    [
      "stored incidents",
      [{ kind: "incidents-rehydrated", incidents: new Map([[A.id, incident(A.id)]]) }],
      { incidents: [[A.id, incident(A.id)]] },
    ],
    [
      "that the fleet dropped it",
      [planned(A), reported(A, NOW_MS), { kind: "pruned" }],
      { attempts: [undefined, undefined] },
    ],
  ])("%s", (_, events, want) => {
    expect(viewOf(nodeAfter(events).node)).toMatchObject(want);
  });

  it("counts windows of targets that are not planned", () => {
    expect(nodeAfter([planned(A), reported(B, NOW_MS)]).overflows).toEqual(["unplanned-windows"]);
  });

  it("gives the series of a pruned node back", () => {
    const series = new SeriesBudget();
    const node = createNode(DESCRIPTION, NOW_MS, { series, onOverflow() {} });
    for (const event of [planned(A), reported(A, NOW_MS), { kind: "pruned" } as const]) applyNodeEvent(node, event);
    let left = 0;
    while (series.take()) left += 1;
    expect(left).toBe(100_000);
  });

  it("follows from the events alone: the same ones give the same state", () => {
    const some: NodeEvent[] = [
      { kind: "described", description: RENAMED },
      planned(A),
      planned(A, B),
      opened("a"),
      opened("b"),
      { kind: "session-started", session: FIRST },
      { kind: "session-ended", session: FIRST },
      clock(5_000, NOW_MS),
      clock(undefined),
      stepped(HOUR_MS),
      stored(NOW_MS),
      reported(A, NOW_MS),
      reported(B, NOW_MS - 1_000),
      judged,
      { kind: "late-incident-opened", incident: incident(B.id) },
      { kind: "late-incident-closed", targetId: A.id },
      { kind: "contact-rehydrated", contact },
      { kind: "throttled", isThrottled: true },
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...some), { maxLength: 30 }), (events) => {
        const [once, again] = [nodeAfter(events), nodeAfter(events)];
        expect(viewOf(again.node)).toEqual(viewOf(once.node));
        expect(again.overflows).toEqual(once.overflows);
      }),
    );
  });
});
