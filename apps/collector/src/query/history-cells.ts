/** The windows of each target and step of an answer, merged. */
import { requirementIdOf } from "@lifeline/measure";
import { mergeAllWindows, type Window } from "@lifeline/window";
import type { HistoryStepS } from "../store/history-record.ts";
import { stepStartMs } from "../store/rollup.ts";
import { pointToWire } from "./query-codec.ts";

export class HistoryCells {
  readonly #stepS: HistoryStepS;
  readonly #byTarget: ReadonlyMap<string, Map<number, Window[]>>;

  constructor(targetIds: readonly string[], stepS: HistoryStepS) {
    this.#stepS = stepS;
    this.#byTarget = new Map(targetIds.map((id) => [id, new Map()]));
  }

  /** A window of another target is ignored. */
  add(window: Window): void {
    const startMs = stepStartMs(window.startMs, this.#stepS);
    const steps = this.#byTarget.get(window.targetId);
    const known = steps?.get(startMs);
    if (known === undefined) steps?.set(startMs, [window]);
    else known.push(window);
  }

  /** Targets in their order, each with its steps by time; targets without windows are left out. */
  targets() {
    return [...this.#byTarget].flatMap(([targetId, steps]) => {
      const inTime = [...steps].sort(([a], [b]) => a - b);
      const points = inTime.flatMap(([startMs, [first, ...rest]]) =>
        first === undefined ? [] : pointToWire(startMs, mergeAllWindows(first, rest)),
      );
      return points.length === 0 ? [] : { requirementId: requirementIdOf(targetId), targetId, points };
    });
  }
}
