import { describe, expect, it } from "vitest";
import { distributionOf } from "../distribution.ts";
import { goalReached, type MethodResult, withRatios } from "./accuracy.ts";

const method = (id: string, biasesMs: readonly number[]): MethodResult => ({
  id,
  title: id,
  biasMs: distributionOf(biasesMs),
  truthMs: distributionOf([20]),
  excluded: 0,
  ratios: {},
});

describe("ratios", () => {
  it("are distances from the truth in units of each peer's; a peer has none to itself", () => {
    const methods = withRatios([method("mine", [-0.25]), method("fping", [0.5]), method("blackbox_exporter", [4])]);
    expect(methods.map(({ ratios }) => ratios)).toEqual([
      { fping: { p50: 0.5, p99: 0.5 }, blackbox_exporter: { p50: 0.0625, p99: 0.0625 } },
      { blackbox_exporter: { p50: 0.125, p99: 0.125 } },
      { fping: { p50: 8, p99: 8 } },
    ]);
  });
});

describe("the goal", () => {
  it.each([
    [[0.03, 0.03, 0.1], true],
    [[-0.03, -0.03, 0.1], true],
    [[0.031, 0.031, 0.05], false],
    [[-0.031, -0.031, 0.05], false],
    [[0.01, 0.01, 0.101], false],
  ])("for biases %j is reached: %s", (biasesMs, reached) => {
    const methods = [
      method("lifeline-kernel-idle", biasesMs),
      method("lifeline-kernel-blocked", [0]),
      method("fping", [9]),
    ];
    expect(goalReached(methods)).toEqual({ "lifeline-kernel-idle": reached, "lifeline-kernel-blocked": true });
  });
});
