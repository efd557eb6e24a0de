import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DirectionLoss } from "./direction-loss.ts";

/**
 * The sums after packets with these fates: lost forward, lost on the return, or answered by a stateful reflector that
 * counts from `first`.
 */
function replay(fates: readonly ("forward" | "return" | "answered")[], first = 1_000) {
  const account = new DirectionLoss();
  let reflected = first;
  for (const [index, fate] of fates.entries()) {
    const sequence = fate === "forward" ? undefined : reflected++;
    account.add({ index, reflected: fate === "answered" ? { sequence } : undefined });
  }
  return account.take();
}

const fate = fc.constantFrom("forward" as const, "return" as const, "answered" as const);

describe("loss by direction", () => {
  it("is exact between the first and the last answered packet", () => {
    fc.assert(
      fc.property(fc.array(fate, { maxLength: 60 }), (fates) => {
        const from = fates.indexOf("answered");
        const to = fates.lastIndexOf("answered");
        const between = from === to ? [] : fates.slice(from + 1, to + 1);
        const lostForward = between.filter((one) => one === "forward").length;
        const lostBack = between.filter((one) => one === "return").length;
        const sums = {
          forwardSent: between.length,
          forwardLost: lostForward,
          returnSent: between.length - lostForward,
          returnLost: lostBack,
        };
        expect(replay(fates)).toEqual(between.length === 0 ? undefined : sums);
      }),
    );
  });

  it("is unknown where the reflector keeps no count (M4)", () => {
    const account = new DirectionLoss();
    for (const index of [0, 1, 5]) account.add({ index, reflected: { sequence: undefined } });
    expect(account.take()).toBeUndefined();
  });

  it.each([
    ["starts again", [500, 1]],
    ["counts more than was sent", [1, 9]],
    ["repeats a number", [7, 7]],
  ])("is compared from the next packet on when the reflector %s", (_, [first = 0, second = 0]) => {
    const account = new DirectionLoss();
    account.add({ index: 0, reflected: { sequence: first } });
    account.add({ index: 1, reflected: { sequence: second } });
    expect(account.take()).toBeUndefined();
    account.add({ index: 2, reflected: { sequence: second + 1 } });
    expect(account.take()).toEqual({ forwardSent: 1, forwardLost: 0, returnSent: 1, returnLost: 0 });
  });
});
