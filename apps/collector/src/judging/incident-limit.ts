/** How many incidents a node may open: each is a row for as long as reports are kept, and two lines of the log. */
import type { IncidentStep } from "@lifeline/verdict";
import type { Node } from "../fleet/fleet.ts";
import { takeIncident } from "../streams/quota.ts";

/**
 * The step without the incidents that the node may not open now. The verdict says what is wrong all the same, and the next judgement tries
 * again: `leftOut` keeps the targets of those that wait, from step to step, so that `onOverflow` counts each once until it opens or its fault
 * ends.
 */
export function withinAllowance(
  { quota }: Pick<Node, "quota">,
  step: IncidentStep,
  leftOut: Set<string>,
  nowNs: number,
  onOverflow: () => void,
): IncidentStep {
  const opened = step.opened.filter(() => takeIncident(quota, nowNs));
  const state = new Map(step.state);
  const before = new Set(leftOut);
  leftOut.clear();
  for (const { targetId } of step.opened.filter((incident) => !opened.includes(incident))) {
    state.delete(targetId);
    leftOut.add(targetId);
    if (!before.has(targetId)) onOverflow();
  }
  return leftOut.size === 0 ? step : { ...step, state, opened };
}
