import { describe, expect, it } from "vitest";
import { AddressTurns } from "./address-turns.ts";

const A = "10.0.0.2";
const B = "10.0.0.10";
const C = "192.0.2.1";

describe("the turns of addresses", () => {
  it("go round, for each target by itself", () => {
    const turns = new AddressTurns();
    expect([1, 2, 3, 4].map(() => turns.next("a", [A, B, C]))).toEqual([A, B, C, A]);
    expect(turns.next("b", [A, B, C])).toBe(A);
  });

  it.each<[string, readonly [string, ...string[]], string]>([
    ["gains one", [A, B, C], C],
    ["loses the one used last", [A, C], C],
    ["loses all but one", [A], A],
    ["is another set, after the last one", ["192.0.2.7", "192.0.2.8"], "192.0.2.7"],
    ["is another set, before the last one", ["10.0.0.1", "10.0.0.3"], "10.0.0.1"],
  ])("go on where they were when the set %s", (_, changed, next) => {
    const turns = new AddressTurns();
    expect([turns.next("a", [A, B]), turns.next("a", [A, B])]).toEqual([A, B]);
    expect(turns.next("a", changed)).toBe(next);
  });

  it("forget the least recently used target at their bound (S2)", () => {
    const turns = new AddressTurns();
    turns.next("first", [A, B]);
    for (let target = 0; target < 1_024; target += 1) turns.next(`${target}`, [A, B]);
    expect(turns.next("first", [A, B])).toBe(A);
    expect(turns.next("1023", [A, B])).toBe(B);
  });
});
