import type { StatusRowJson } from "@lifeline/cli";
import { describe, expect, it } from "vitest";
import { expectedText, isRight, reportedTexts } from "./comparison.ts";
import type { ExpectedRow } from "./field-case.ts";

const row = (more: Partial<StatusRowJson>) =>
  ({
    requirement: "node-ghcr",
    probe: "tls",
    target: "ghcr.io:443",
    comparison: false,
    verdict: "unmet",
    cause: "reset",
    evidence: "cut by 203.0.113.20",
    nextStep: "Network team: look for a firewall.",
    ...more,
  }) as StatusRowJson;
const UNMET: ExpectedRow = { requirement: "node-*", target: "ghcr.io", verdict: "unmet", cause: "reset" };

describe("what was reported beside what must be", () => {
  it.each<[string, ExpectedRow, boolean]>([
    ["verdict and cause", UNMET, true],
    ["another cause", { ...UNMET, cause: "timeout" }, false],
    ["another verdict", { ...UNMET, verdict: "met" }, false],
    ["the owner", { ...UNMET, owner: "network team" }, true],
    ["another owner", { ...UNMET, owner: "omni owner" }, false],
    ["a name in the evidence", { ...UNMET, names: "203.0.113.20" }, true],
    ["a name that is nowhere", { ...UNMET, names: "203.0.113.21" }, false],
    ["no such row", { ...UNMET, probe: "http" }, false],
    ["no such target", { ...UNMET, target: "gcr.io" }, false],
  ])("compares %s", (_, one, right) => {
    expect(isRight([row({})], [one])).toBe(right);
  });

  it("wants every row of an expectation to be right, and leaves comparisons out", () => {
    expect(isRight([row({}), row({ probe: "tcp", verdict: "met" })], [UNMET])).toBe(false);
    expect(isRight([row({}), row({ verdict: "met", comparison: true })], [UNMET])).toBe(true);
    expect(isRight([row({ comparison: true })], [UNMET])).toBe(false);
  });

  it("shows expectations and rows in one line each", () => {
    expect(expectedText({ ...UNMET, owner: "network team" })).toBe("node-* ghcr.io: unmet, reset, network team");
    expect(reportedTexts([row({}), row({ requirement: "api-endpoint" })], [UNMET])).toEqual([
      "node-ghcr tls ghcr.io:443: unmet, reset: cut by 203.0.113.20 → Network team: look for a firewall.",
    ]);
    expect(reportedTexts([row({ verdict: "met", cause: null })], [UNMET])).toEqual(["node-ghcr tls ghcr.io:443: met"]);
  });
});
