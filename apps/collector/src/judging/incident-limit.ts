/** How many incidents a node may open: each is a row for as long as reports are kept, and two lines of the log. */
import type { IncidentStep } from "@lifeline/verdict";
import { type Quota, takeIncident } from "../streams/quota.ts";

/** A step within the node's quota. */
interface LimitedStep {
  readonly step: IncidentStep;
  /** Targets whose incident may not be opened yet. */
  readonly deferred: ReadonlySet<string>;
  /** How many of them the step before did not have. */
  readonly newlyDeferred: number;
}

/**
 * The step without the incidents that the node may not open now. The verdict still says what is wrong, and the next
 * judgement tries again. `before` are the targets that the last step deferred.
 */
export function withinIncidentLimit(
  quota: Quota,
  step: IncidentStep,
  before: ReadonlySet<string>,
  nowNs: number,
): LimitedStep {
  const opened = step.opened.filter(() => takeIncident(quota, nowNs));
  if (opened.length === step.opened.length) return { step, deferred: NONE, newlyDeferred: 0 };
  const deferred = new Set(step.opened.filter((one) => !opened.includes(one)).map(({ targetId }) => targetId));
  const state = new Map([...step.state].filter(([targetId]) => !deferred.has(targetId)));
  const newlyDeferred = [...deferred].filter((targetId) => !before.has(targetId)).length;
  return { step: { ...step, state, opened }, deferred, newlyDeferred };
}

const NONE: ReadonlySet<string> = new Set();
