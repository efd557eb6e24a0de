/** An attack: what somebody tries who holds one thing, and what came of it. */
import type { Stage } from "./stage.ts";

/** Where the attacker stands (docs/security.md). */
export type Standing = "node" | "path" | "port" | "anywhere";

/** What was seen. `held`: the attack came to nothing. */
export interface Outcome {
  readonly held: boolean;
  /** In a sentence, for whoever doubts it. */
  readonly observed: string;
}

/** One attack of the threat model. */
export interface Attack {
  /** As docs/security.md names it. */
  readonly name: string;
  readonly standing: Standing;
  /** What is tried, in a sentence. */
  readonly tries: string;
  run(stage: Stage): Promise<Outcome>;
}

/** What was seen, and whether it is as it should be. */
export type Claim = readonly [observed: string, isRight: boolean];

/** Held when everything that was to be seen was. */
export function outcomeOf(...claims: readonly Claim[]): Outcome {
  const held = claims.every(([, isRight]) => isRight);
  const shown = held ? claims : claims.filter(([, isRight]) => !isRight);
  return { held, observed: shown.map(([observed]) => observed).join("; ") };
}
