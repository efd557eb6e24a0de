/** Which targets of a run have one bad attempt and no answer: too few for a verdict. */
import { outcomeClassOf, type Sample } from "@lifeline/measure";
import { DEFAULT_THRESHOLDS } from "@lifeline/verdict";

interface Conclusive {
  bad: number;
  isAnswered: boolean;
}

/** Counts the conclusive attempts of a run. At most one entry for each target of the plan (S2). */
export class UnconfirmedTargets {
  readonly #conclusive = new Map<string, Conclusive>();

  /** Notes how an attempt ended. One that was not measured says nothing (M3). */
  note({ targetId, outcome }: Sample): void {
    const seen = this.#conclusive.get(targetId) ?? { bad: 0, isAnswered: false };
    const outcomeClass = outcomeClassOf(outcome.reason);
    if (outcomeClass === "bad") seen.bad += 1;
    if (outcomeClass === "good") seen.isAnswered = true;
    this.#conclusive.set(targetId, seen);
  }

  /** Ids of targets that failed, too rarely to prove it (Thresholds.proofRunLength), and never answered. */
  ids(): readonly string[] {
    const entries = [...this.#conclusive].filter(
      ([, { bad, isAnswered }]) => bad > 0 && bad < DEFAULT_THRESHOLDS.proofRunLength && !isAnswered,
    );
    return entries.map(([targetId]) => targetId);
  }
}
