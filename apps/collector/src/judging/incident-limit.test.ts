import type { Incident } from "@lifeline/verdict";
import { describe, expect, it } from "vitest";
import { createQuota } from "../streams/quota.ts";
import { INCIDENT_RATE } from "../streams/quota-limits.ts";
import { withinAllowance } from "./incident-limit.ts";

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
    const leftOut = new Set<string>();
    let left = 0;
    const bounded = (targetIds: readonly string[], nowS: number) =>
      withinAllowance(node, stepOf(targetIds), leftOut, nowS * 1e9, () => left++);
    const names = Array.from({ length: INCIDENT_RATE.capacity }, (_, at) => `t${at}`);
    expect(bounded(names, 0).opened).toHaveLength(INCIDENT_RATE.capacity);
    expect(left).toBe(0);
    const step = bounded(["a", "b"], 5);
    expect(step.opened.map(({ targetId }) => targetId)).toEqual(["a"]);
    // Whatever is open stays so; what could not be opened is not taken for open.
    expect([...step.state.keys()]).toEqual(["before", "a"]);
    expect(left).toBe(1);
    expect(bounded(["b"], 10).opened).toHaveLength(1);
  });

  it("count once each when they are not opened, until they are or their fault ends", () => {
    const node = { quota: createQuota() };
    node.quota.incidents.spend(INCIDENT_RATE.capacity);
    const leftOut = new Set<string>();
    let left = 0;
    const after = (targetIds: readonly string[], nowS: number) => {
      withinAllowance(node, stepOf(targetIds), leftOut, nowS * 1e9, () => left++);
      return { left, waiting: [...leftOut] };
    };
    expect(after(["a"], 0)).toEqual({ left: 1, waiting: ["a"] });
    expect(after(["a"], 1)).toEqual({ left: 1, waiting: ["a"] });
    expect(after(["a", "b"], 2)).toEqual({ left: 2, waiting: ["a", "b"] });
    // One every 5 s.
    expect(after(["a", "b"], 5)).toEqual({ left: 2, waiting: ["b"] });
    expect(after([], 6)).toEqual({ left: 2, waiting: [] });
    expect(after(["b"], 7)).toEqual({ left: 3, waiting: ["b"] });
  });
});
