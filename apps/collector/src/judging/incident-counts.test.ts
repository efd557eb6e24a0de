import { type Incident, NO_IMPACT } from "@lifeline/verdict";
import { expect, it } from "vitest";
import { incidentsToCount } from "./incident-counts.ts";

const stateOf = (startedAtMs: number, countedToMs: number) => {
  const incident: Incident = {
    requirementId: "r",
    targetId: "t",
    verdict: "unmet",
    cause: "refused",
    evidence: "e",
    nextStep: "s",
    startedAtMs,
    endedAtMs: undefined,
    changes: [],
    droppedChanges: 0,
    impact: { ...NO_IMPACT, countedToMs },
  };
  return new Map([["t", incident]]);
};

it.each([
  ["within a minute of it", stateOf(5_000, 10_000), stateOf(5_000, 64_999), 0],
  ["past another minute of it", stateOf(5_000, 64_999), stateOf(5_000, 65_000), 1],
  ["the minute after", stateOf(5_000, 65_000), stateOf(5_000, 66_000), 0],
  ["nothing counted yet", stateOf(5_000, 0), stateOf(5_000, 6_000), 0],
  ["opened now, which is stored anyway", new Map(), stateOf(5_000, 90_000), 0],
  ["another incident of the target", stateOf(1_000, 2_000), stateOf(90_000, 91_000), 0],
])("the counts of an open incident are stored once a minute: %s", (_, before, after, stored) => {
  expect(incidentsToCount(before, after)).toHaveLength(stored);
});
