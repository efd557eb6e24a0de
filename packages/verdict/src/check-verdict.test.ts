import type { CheckedFacts } from "@lifeline/catalogue";
import { describe, expect, it } from "vitest";
import { checkVerdict } from "./check-verdict.ts";
import { NO_DATA_STEP } from "./next-step.ts";
import type { NodeContext } from "./node-context.ts";
import { NOW_MS } from "./testing/judgement-fixture.ts";

describe("the clock", () => {
  const clock = (node: NodeContext) => checkVerdict({ name: "clock" }, node, NOW_MS);
  it.each<[number, string, string, string]>([
    [0, "met", "none", "0.000 s ahead of"],
    [999, "met", "none", "0.999 s behind"],
    [-999, "met", "none", "0.999 s ahead of"],
    [1_000, "degraded", "clock", "1.000 s behind"],
    [-1_000, "degraded", "clock", "1.000 s ahead of"],
    [9_999, "degraded", "clock", "9.999 s behind"],
    [10_000, "unmet", "clock", "10.000 s behind"],
    [-10_000, "unmet", "clock", "10.000 s ahead of"],
  ])("%i ms behind is %s", (clockOffsetMs, verdict, cause, apart) => {
    const found = clock({ clockOffsetMs });
    expect(found).toMatchObject({
      verdict,
      cause,
      evidence: `The node's clock is ${apart} the collector's; degraded from 1 s, unmet from 10 s.`,
    });
    expect(found.nextStep).toMatch(
      verdict === "met" ? /^$/ : /^Node owner: make its time server reachable .* the collector's clock is wrong\.$/,
    );
  });

  it("names the time server where that is the reference", () => {
    const found = clock({ clockOffsetMs: 2_000, clockReference: "time server" });
    expect([found.evidence, found.nextStep].every((text) => text.includes("time server's"))).toBe(true);
  });

  it.each([[undefined], [Number.NaN], [Number.POSITIVE_INFINITY]])("is unknown at %s (M4)", (clockOffsetMs) => {
    expect(clock(clockOffsetMs === undefined ? {} : { clockOffsetMs })).toMatchObject({
      verdict: "unknown",
      cause: "not-measured",
      nextStep: expect.stringMatching(/^Node owner: check that the agent reaches the collector/),
    });
  });
});

describe("the node id", () => {
  const unique = (duplicate?: NodeContext["duplicate"]) =>
    checkVerdict({ name: "unique-node" }, duplicate === undefined ? {} : { duplicate }, NOW_MS);
  it("is met with one machine", () => {
    expect(unique()).toEqual({
      verdict: "met",
      cause: "none",
      evidence: "One machine reports under this node id.",
      nextStep: "",
    });
  });

  it("is unmet with two, since the second reported, and names both", () => {
    expect(unique({ peers: ["192.0.2.1", '192.0.2.2, "b"'], sinceMs: NOW_MS - 5_000 })).toMatchObject({
      verdict: "unmet",
      cause: "duplicate-node",
      evidence: `2 machines have reported under this node id since 2026-08-01T11:59:55Z: "192.0.2.1", "192.0.2.2, 'b'".`,
      nextStep: expect.stringMatching(/^Node owner: give each machine a UUID/),
      onsetMs: NOW_MS - 5_000,
    });
    expect(unique({ peers: ["a", "b"], sinceMs: NOW_MS + 1 }).onsetMs).toBe(NOW_MS);
  });
});

describe("a node that is silent", () => {
  const bypass = {
    name: "tunnel-bypasses-proxy",
    prefix: "fdae::/64",
    proxy: "proxy.test:3128",
    noProxy: [],
    bypassed: false,
  } as const;
  it.each<[string, CheckedFacts, NodeContext]>([
    ["whose clock was right", { name: "clock" }, { clockOffsetMs: 3 }],
    ["whose clock was wrong", { name: "clock" }, { clockOffsetMs: 3_600_000 }],
    ["that was one machine", { name: "unique-node" }, {}],
    ["that was two machines", { name: "unique-node" }, { duplicate: { peers: ["a", "b"], sinceMs: NOW_MS - 1 } }],
    ["whose proxy settings were wrong", bypass, {}],
  ])("%s, is unknown: no verdict outlives its data (M4)", (_, check, context) => {
    expect(checkVerdict(check, { ...context, silentSinceMs: NOW_MS - 60_000 }, NOW_MS)).toEqual({
      verdict: "unknown",
      cause: "no-data",
      evidence: "The node has not reported since 2026-08-01T11:59:00Z.",
      nextStep: NO_DATA_STEP,
      onsetMs: NOW_MS - 60_000,
    });
  });
});

describe("the proxy", () => {
  const facts = {
    name: "tunnel-bypasses-proxy",
    prefix: "fdae::/64",
    proxy: "proxy.test:3128",
    noProxy: ["a", "b"],
    bypassed: true,
  } as const satisfies CheckedFacts;
  const bypass = (more: Partial<Extract<CheckedFacts, { name: "tunnel-bypasses-proxy" }>>) =>
    checkVerdict({ ...facts, ...more }, {}, NOW_MS);
  it("is met where NO_PROXY covers the tunnel", () => {
    expect(bypass({})).toEqual({
      verdict: "met",
      cause: "none",
      evidence: `HTTPS goes through the proxy proxy.test:3128; NO_PROXY is "a,b", which covers the tunnel's fdae::/64.`,
      nextStep: "",
    });
  });

  it("is unmet where it does not", () => {
    expect(bypass({ bypassed: false, noProxy: [] })).toMatchObject({
      verdict: "unmet",
      cause: "no-proxy",
      evidence:
        "HTTPS goes through the proxy proxy.test:3128; NO_PROXY is empty, which does not cover the tunnel's fdae::/64.",
      nextStep: expect.stringMatching(/^Node owner: add fdae::\/64 /),
    });
  });

  it("shows 16 entries of NO_PROXY and 512 characters at most", () => {
    const shown = (noProxy: readonly string[]) => /NO_PROXY is "([^"]*)"/.exec(bypass({ noProxy }).evidence)?.[1];
    expect(shown(Array.from({ length: 17 }, (_, at) => `${at}`))).toBe("0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15");
    expect(shown(["x".repeat(600)])).toBe("x".repeat(512));
  });
});
