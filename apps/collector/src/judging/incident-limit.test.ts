import { type Incident, NO_IMPACT } from "@lifeline/verdict";
import { describe, expect, it } from "vitest";
import { createQuota, takeIncident } from "../streams/quota.ts";
import { INCIDENT_RATE } from "../streams/quota-limits.ts";
import { withinIncidentLimit } from "./incident-limit.ts";

const incident = (targetId: string): Incident => ({
  requirementId: "r",
  targetId,
  verdict: "unmet",
  cause: "refused",
  evidence: "e",
  nextStep: "s",
  startedAtMs: 1,
  endedAtMs: undefined,
  changes: [],
  droppedChanges: 0,
  impact: NO_IMPACT,
});

/** A step that opens incidents of those targets beside one that is open. */
function stepOf(targetIds: readonly string[]) {
  const opened = targetIds.map(incident);
  const state = new Map([incident("before"), ...opened].map((one) => [one.targetId, one]));
  return { state, opened, changed: [], closed: [] };
}

describe("the incidents that a node opens", () => {
  it("are bounded: those beyond are not opened, and are tried again later", () => {
    const quota = createQuota();
    const limited = (targetIds: readonly string[], nowS: number) =>
      withinIncidentLimit(quota, stepOf(targetIds), new Set(), nowS * 1e9);
    const names = Array.from({ length: INCIDENT_RATE.capacity }, (_, at) => `t${at}`);
    const first = limited(names, 0);
    expect(first.step.opened).toHaveLength(INCIDENT_RATE.capacity);
    expect(first.newlyDeferred).toBe(0);
    const { step, newlyDeferred } = limited(["a", "b"], 5);
    expect(step.opened.map(({ targetId }) => targetId)).toEqual(["a"]);
    // An open incident stays open; one that could not be opened is not open.
    expect([...step.state.keys()]).toEqual(["before", "a"]);
    expect(newlyDeferred).toBe(1);
    expect(limited(["b"], 10).step.opened).toHaveLength(1);
  });

  it("count once each when they are not opened, until they are or their fault ends", () => {
    const quota = createQuota();
    for (let at = 0; at < INCIDENT_RATE.capacity; at++) takeIncident(quota, 0);
    let deferred: ReadonlySet<string> = new Set();
    let counted = 0;
    const after = (targetIds: readonly string[], nowS: number) => {
      const limited = withinIncidentLimit(quota, stepOf(targetIds), deferred, nowS * 1e9);
      deferred = limited.deferred;
      counted += limited.newlyDeferred;
      return { counted, deferred: [...deferred] };
    };
    expect(after(["a"], 0)).toEqual({ counted: 1, deferred: ["a"] });
    expect(after(["a"], 1)).toEqual({ counted: 1, deferred: ["a"] });
    expect(after(["a", "b"], 2)).toEqual({ counted: 2, deferred: ["a", "b"] });
    // One every 5 s.
    expect(after(["a", "b"], 5)).toEqual({ counted: 2, deferred: ["b"] });
    expect(after([], 6)).toEqual({ counted: 2, deferred: [] });
    expect(after(["b"], 7)).toEqual({ counted: 3, deferred: ["b"] });
  });
});
