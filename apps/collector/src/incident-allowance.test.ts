import type { Incident } from "@lifeline/verdict";
import { describe, expect, it } from "vitest";
import { withinAllowance } from "./incident-allowance.ts";
import { createQuota, INCIDENT_ALLOWANCE } from "./quota.ts";

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
});

/** A step that opens incidents of those targets beside one that is open. */
function stepOf(targetIds: readonly string[]) {
  const opened = targetIds.map(incident);
  const state = new Map([incident("before"), ...opened].map((one) => [one.targetId, one]));
  return { state, opened, changed: [], closed: [] };
}

describe("the incidents that a node opens", () => {
  it("are bounded: those beyond are not opened, and are tried again later", () => {
    const node = { quota: createQuota() };
    let left = 0;
    const bounded = (targetIds: readonly string[], nowS: number) =>
      withinAllowance(node, stepOf(targetIds), nowS * 1e9, () => left++);
    const names = Array.from({ length: INCIDENT_ALLOWANCE.capacity }, (_, at) => `t${at}`);
    expect(bounded(names, 0).opened).toHaveLength(INCIDENT_ALLOWANCE.capacity);
    expect(left).toBe(0);
    const step = bounded(["a", "b"], 5);
    expect(step.opened.map(({ targetId }) => targetId)).toEqual(["a"]);
    // Whatever is open stays so; what could not be opened is not taken for open.
    expect([...step.state.keys()]).toEqual(["before", "a"]);
    expect(left).toBe(1);
    expect(bounded(["b"], 10).opened).toHaveLength(1);
  });
});
