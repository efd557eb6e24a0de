import { describe, expect, it } from "vitest";
import { advanceIncidents, type IncidentState, MAX_INCIDENT_CHANGES } from "./incident.ts";
import type { RowVerdict } from "./row.ts";
import { NOW_MS, TCP, targetOf, times, windowsOf } from "./testing/judgement-fixture.ts";

const TARGET = {
  id: "r|tcp|h:1|ipv4",
  host: "h",
  port: 1,
  endpoint: "h:1",
  probe: "tcp" as const,
  family: 4 as const,
  proxy: undefined,
};

function row(verdict: RowVerdict["verdict"], onsetMs: number, more: Partial<RowVerdict> = {}): RowVerdict {
  return {
    requirementId: "r",
    obligation: "required",
    required: true,
    target: TARGET,
    verdict,
    cause: verdict === "met" ? "none" : "timeout",
    evidence: `${verdict} at ${onsetMs}`,
    followsFrom: undefined,
    udpEvidence: undefined,
    comparison: false,
    notes: [],
    directions: undefined,
    nextStep: "do",
    loss: { ended: 0, failed: 0, sent: 0, lost: 0, late: 0, silent: 0, notSent: 0, ratio: undefined, interval: [0, 1] },
    rtt: { p50Ns: undefined, p95Ns: undefined, maxNs: undefined, count: 0, kernelCount: 0 },
    sinceMs: onsetMs,
    onsetMs,
    causeSinceMs: onsetMs,
    lastSampleAtMs: undefined,
    ...more,
  };
}

const NONE: IncidentState = new Map();

function fold(...steps: [nowMs: number, ...rows: RowVerdict[]][]) {
  let state = NONE;
  const log: string[] = [];
  let last = advanceIncidents(state, [], 0, () => []);
  for (const [nowMs, ...rows] of steps) {
    last = advanceIncidents(state, rows, nowMs, () => []);
    state = last.state;
    for (const { startedAtMs } of last.opened) log.push(`opened ${startedAtMs}`);
    for (const { cause, verdict } of last.changed) log.push(`changed ${verdict} ${cause}`);
    for (const { startedAtMs, endedAtMs } of last.closed) log.push(`closed ${startedAtMs}-${endedAtMs}`);
  }
  return { log, last };
}

describe("advanceIncidents", () => {
  it("starts at the onset and ends where the good run began, not when the judge saw them", () => {
    expect(fold([110, row("unmet", 100)], [120, row("unmet", 100)], [210, row("met", 200)]).log).toEqual([
      "opened 100",
      "closed 100-200",
    ]);
  });

  it("is one incident from degraded to unmet and back, with its worst verdict", () => {
    const { log, last } = fold(
      [10, row("degraded", 5)],
      [20, row("unmet", 15, { cause: "refused" })],
      [30, row("degraded", 5)],
      [90, row("met", 25)],
    );
    expect(log).toEqual(["opened 5", "changed unmet refused", "changed unmet refused", "closed 5-25"]);
    expect(last.closed[0]?.changes.map(({ verdict, cause }) => `${verdict} ${cause}`)).toEqual([
      "degraded timeout",
      "unmet refused",
      "degraded timeout",
    ]);
  });

  it("is neither opened nor closed by unknown (M4)", () => {
    expect(fold([10, row("unknown", 10)]).log).toEqual([]);
    expect(fold([10, row("unmet", 5)], [50, row("unknown", 40)], [60, row("unmet", 5)]).log).toEqual(["opened 5"]);
  });

  it("dates each state by its own start: refusals, silence, refusals", () => {
    const refused = { cause: "refused" as const };
    const { last } = fold(
      [10, row("unmet", 5, refused)],
      [20, row("unmet", 5, { cause: "timeout", causeSinceMs: 12 })],
      [40, row("unknown", 30, { cause: "no-evidence" })],
      [45, row("unknown", 41, { cause: "no-data" })],
      [60, row("unmet", 50, refused)],
    );
    expect([...last.state.values()][0]?.changes).toEqual([
      { atMs: 5, verdict: "unmet", cause: "refused" },
      { atMs: 12, verdict: "unmet", cause: "timeout" },
      { atMs: 30, verdict: "unknown", cause: "no-evidence" },
      { atMs: 50, verdict: "unmet", cause: "refused" },
    ]);
  });

  it("is closed now when the row no longer applies or is gone", () => {
    expect(fold([10, row("unmet", 5)], [50, row("not-applicable", 40)]).log).toEqual(["opened 5", "closed 5-50"]);
    expect(fold([10, row("unmet", 5)], [50]).log).toEqual(["opened 5", "closed 5-50"]);
  });

  it("never ends before it starts, and never starts or ends in the future", () => {
    expect(fold([10, row("unmet", 99)], [20, row("met", 99)]).log).toEqual(["opened 10", "closed 10-20"]);
    expect(fold([10, row("unmet", 5)], [20, row("met", 99)]).log).toEqual(["opened 5", "closed 5-20"]);
  });

  it("ends now where the good run is older than the fault", () => {
    expect(fold([10, row("unmet", 8)], [20, row("met", 3)]).log).toEqual(["opened 8", "closed 8-20"]);
  });

  it("ignores rows without a target", () => {
    expect(fold([10, row("unmet", 5, { target: undefined })]).log).toEqual([]);
  });

  it(`records ${MAX_INCIDENT_CHANGES} changes and counts the others (S2)`, () => {
    const flips = Array.from({ length: 100 }, (_, at): [number, RowVerdict] => [
      at,
      row("unmet", at, { cause: at % 2 === 0 ? "refused" : "timeout" }),
    ]);
    const incident = [...fold(...flips).last.state.values()][0];
    expect(incident?.changes).toHaveLength(MAX_INCIDENT_CHANGES);
    expect(incident?.droppedChanges).toBe(100 - MAX_INCIDENT_CHANGES);
    expect(incident?.changes.at(-1)?.atMs).toBe(99);
  });

  it("keeps the text of its worst verdict, and takes each new cause of that verdict", () => {
    const steps = fold(
      [10, row("unmet", 5, { cause: "refused", evidence: "first", nextStep: "one" })],
      [20, row("degraded", 15, { cause: "loss", evidence: "eased", nextStep: "two" })],
      [30, row("unmet", 25, { cause: "reset", evidence: "again", nextStep: "three" })],
      [40, row("unmet", 99, { cause: "timeout", evidence: "last", nextStep: "four" })],
    );
    const incident = [...steps.last.state.values()][0];
    expect(incident).toMatchObject({ verdict: "unmet", cause: "timeout", evidence: "last", nextStep: "four" });
    expect(incident?.changes.map(({ atMs }) => atMs)).toEqual([5, 15, 25, 40]);
    const eased = fold([10, row("unmet", 5, { evidence: "first" })], [20, row("degraded", 15, { evidence: "eased" })])
      .last.changed;
    expect(eased).toMatchObject([{ verdict: "unmet", evidence: "first" }]);
    const onlyDegraded = fold(
      [10, row("degraded", 5, { cause: "loss", evidence: "first" })],
      [20, row("degraded", 15, { cause: "timeout", evidence: "second" })],
    ).last.changed;
    expect(onlyDegraded).toMatchObject([{ verdict: "degraded", cause: "timeout", evidence: "second" }]);
  });

  it("says at its end what it cost, and then when its evidence was seen", () => {
    const target = targetOf(TCP);
    const windows = windowsOf(target, [...times(40, "answered"), ...times(20, "timeout"), ...times(10, "answered")]);
    const lost = row("unmet", NOW_MS - 29_005, { target: { ...TARGET, id: target.id }, evidence: "Seen." });
    const open = advanceIncidents(NONE, [lost], NOW_MS - 20_000, () => []);
    const back = { ...lost, verdict: "met" as const, onsetMs: NOW_MS - 9_005 };
    const [closed] = advanceIncidents(open.state, [back], NOW_MS, () => windows).closed;
    expect(closed?.evidence).toMatch(
      /^Over its 20 s, 20 of 20 attempts failed; .*Z\. When its cause was found: Seen\.$/,
    );
    expect(advanceIncidents(open.state, [back], NOW_MS, () => []).closed[0]?.evidence).toBe("Seen.");
  });

  it("changes with the verdict alone", () => {
    expect(fold([10, row("degraded", 5)], [20, row("unmet", 15)]).log).toEqual(["opened 5", "changed unmet timeout"]);
  });

  it("has room for 32 changes", () => {
    expect(MAX_INCIDENT_CHANGES).toBe(32);
  });
});
