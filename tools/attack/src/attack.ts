/** An attack: what an attacker with one credential or position tries, and the result. */
import type { TestBed } from "./test-bed.ts";

/** The position of the attacker (docs/security.md). */
export type Position = "node" | "path" | "port" | "anywhere";

/** What was seen. */
export interface Outcome {
  /** `held`: the attack came to nothing. `skipped`: this machine lacks what it takes. */
  readonly outcome: "held" | "broke" | "skipped";
  /** The evidence, in one sentence. */
  readonly observed: string;
}

/** One attack of the threat model. */
export interface Attack {
  /** As docs/security.md names it. */
  readonly name: string;
  readonly position: Position;
  /** What is tried, in a sentence. */
  readonly tries: string;
  /** Played in a network namespace of its own, whose loopback has the addresses of network-namespace. */
  readonly needsNetwork?: boolean;
  /** What it attacks takes so long: its floods last this long at least, s. Default none. */
  readonly leastSeconds?: number;
  run(testBed: TestBed): Promise<Outcome>;
}

/** What was seen, and whether it is as it should be. */
export type Claim = readonly [observed: string, isRight: boolean];

/** Held when everything that was to be seen was. */
export function outcomeOf(...claims: readonly Claim[]): Outcome {
  const isHeld = claims.every(([, isRight]) => isRight);
  const shown = isHeld ? claims : claims.filter(([, isRight]) => !isRight);
  return { outcome: isHeld ? "held" : "broke", observed: shown.map(([observed]) => observed).join("; ") };
}
