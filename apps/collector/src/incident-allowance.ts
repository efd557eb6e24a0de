/** How many incidents a node may open: each is a row for as long as reports are kept, and two lines of the log. */
import type { IncidentStep } from "@lifeline/verdict";
import type { Node } from "./fleet.ts";
import { takeIncident } from "./quota.ts";

/**
 * The step without the incidents that the node may not open now; `onOverflow` counts them. The verdict says what is wrong all the same, and
 * the next judgement tries again.
 */
export function withinAllowance(
  { quota }: Pick<Node, "quota">,
  step: IncidentStep,
  nowNs: number,
  onOverflow: () => void,
): IncidentStep {
  const opened = step.opened.filter(() => {
    const isTaken = takeIncident(quota, nowNs);
    if (!isTaken) onOverflow();
    return isTaken;
  });
  if (opened.length === step.opened.length) return step;
  const state = new Map(step.state);
  for (const incident of step.opened) if (!opened.includes(incident)) state.delete(incident.targetId);
  return { ...step, state, opened };
}
