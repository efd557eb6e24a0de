/** An attack: what an attacker with one credential or position tries, and the result. */
import type { TestBed } from "./test-bed.ts";

/** The position of the attacker (docs/security.md). */
export type Position = "node" | "path" | "port" | "anywhere";

/** The result of an attack. */
export interface Outcome {
  /** `held`: the attack had no effect. `skipped`: this machine lacks what the attack needs. */
  readonly outcome: "held" | "broke" | "skipped";
  /** The evidence, in one sentence. */
  readonly observed: string;
}

/** One attack of the threat model. */
export interface Attack {
  /** As docs/security.md names it. */
  readonly name: string;
  readonly position: Position;
  /** The attempt, in one sentence. */
  readonly tries: string;
  /** Played in a network namespace of its own, whose loopback has the addresses of network-namespace. */
  readonly needsNetwork?: boolean;
  /** Shortest length of its floods, s, when the attacked limit takes that long to act. Default: none. */
  readonly leastSeconds?: number;
  run(testBed: TestBed): Promise<Outcome>;
}

/** An observation, and whether it is as required. */
export type Claim = readonly [observed: string, isRight: boolean];

/** `held` when every claim is right. Otherwise `broke`, with the wrong claims. */
export function outcomeOf(...claims: readonly Claim[]): Outcome {
  const isHeld = claims.every(([, isRight]) => isRight);
  const shown = isHeld ? claims : claims.filter(([, isRight]) => !isRight);
  return { outcome: isHeld ? "held" : "broke", observed: shown.map(([observed]) => observed).join("; ") };
}
