import { describe, expect, it } from "vitest";
import { evidenceOf } from "./evidence-text.ts";
import type { TargetVerdict } from "./target-verdict.ts";
import { LINK, lookbackOf, NOW_MS, rememberedOf, TCP, targetOf } from "./testing/judgement-fixture.ts";

const RTT = { rtt: { sketch: new Map([[700, 3]]), minNs: 4_000_000, maxNs: 4_000_000, sumNs: 1, kernelCount: 3 } };
const rtt = "; round-trip time p50 4 ms, p95 4 ms, max 4 ms";
const seen = rememberedOf("refused", NOW_MS, { address: "192.0.2.1" }, { length: 4, startedAtMs: NOW_MS - 10_000 });
const base: TargetVerdict = {
  verdict: "unknown",
  cause: "none",
  basis: "answered",
  reason: "answered",
  seen: undefined,
  runLength: 4,
  onsetMs: NOW_MS - 10_000,
  lookback: lookbackOf({}),
  lookbackMs: 60_000,
  lastSampleAtMs: NOW_MS - 70_000,
  answeredAtMs: undefined,
  resolvedAtMs: undefined,
  goodAnswers: undefined,
  addresses: undefined,
};

describe("the sentence of each basis", () => {
  it.each<[string, Partial<TargetVerdict>, string]>([
    ["answered", { lookback: lookbackOf({ answered: 9 }) }, "9 of 9 attempts answered over the last 60 s."],
    [
      "answered, with its address and times",
      { lookback: lookbackOf({ answered: 9 }, RTT), seen },
      `9 of 9 attempts answered over the last 60 s at 192.0.2.1${rtt}.`,
    ],
    [
      "answered, with a loss",
      { lookback: lookbackOf({ answered: 9, timeout: 1, stalled: 5 }) },
      "9 of 10 attempts answered, 1 of 10 lost (10 %, 95 % interval 1.8 % to 40 %) over the last 60 s.",
    ],
    [
      "answered, with a late answer",
      { lookback: lookbackOf({ answered: 9, late: 1 }) },
      "9 of 10 attempts answered in time, 0 of 10 lost, 1 late over the last 60 s.",
    ],
    [
      "answered, with a sample without an address",
      { lookback: lookbackOf({ answered: 9 }), seen: rememberedOf("answered", NOW_MS) },
      "9 of 9 attempts answered over the last 60 s.",
    ],
    [
      "failed, with attempts that are silent so far",
      {
        basis: "failed",
        reason: "timeout",
        runLength: 3,
        seen: rememberedOf("timeout", NOW_MS, {}, { length: 1, stateLength: 1, stateStartedAtMs: NOW_MS - 3_000 }),
        lookback: lookbackOf({ answered: 5, timeout: 1 }),
      },
      "sent, and nothing came back before the loss threshold, once, at 2026-08-01T11:59:57Z, and 2 more that are silent so far; 5 of 6 attempts answered, 1 of 6 lost (17 %, 95 % interval 3 % to 56 %) over the last 60 s.",
    ],
    [
      "failed, after failures of another kind",
      {
        basis: "failed",
        reason: "refused",
        runLength: 24,
        seen: rememberedOf("refused", NOW_MS, {}, { length: 24, stateLength: 4, stateStartedAtMs: NOW_MS - 3_000 }),
        lookback: lookbackOf({ refused: 4, timeout: 20 }),
      },
      "a reset or a port-unreachable came back: nothing listens, or a firewall rejects, 4 times since 2026-08-01T11:59:57Z, 24 failures in a row since 2026-08-01T11:59:50Z; 0 of 24 attempts answered, 20 of 24 lost (83 %, 95 % interval 64 % to 93 %) over the last 60 s.",
    ],
    [
      "failed",
      { basis: "failed", reason: "refused", seen, lookback: lookbackOf({ answered: 5, refused: 4 }) },
      "a reset or a port-unreachable came back: nothing listens, or a firewall rejects (at 192.0.2.1), 4 times in a row since 2026-08-01T11:59:50Z; 5 of 9 attempts answered over the last 60 s.",
    ],
    [
      "intermittent rejections",
      {
        basis: "intermittent",
        reason: "refused",
        lookback: lookbackOf({ answered: 6, refused: 2 }, { longestLossRun: 3, ...RTT }),
      },
      `6 of 8 attempts answered over the last 60 s (25 % failed); a reset or a port-unreachable came back: nothing listens, or a firewall rejects; longest run of loss 3${rtt}.`,
    ],
    [
      "intermittent losses",
      { basis: "intermittent", reason: "timeout", lookback: lookbackOf({ answered: 6, timeout: 2 }) },
      "6 of 8 attempts answered, 2 of 8 lost (25 %, 95 % interval 7.1 % to 59 %) over the last 60 s; sent, and nothing came back before the loss threshold; longest run of loss 0.",
    ],
    [
      "intermittent late answers",
      { basis: "intermittent", reason: "late", lookback: lookbackOf({ answered: 6, late: 2 }) },
      "6 of 8 attempts answered in time, 0 of 8 lost, 2 late over the last 60 s; the answer came after the loss threshold; longest run of loss 0.",
    ],
    [
      "unconfirmed",
      { basis: "unconfirmed", reason: "refused", runLength: 1 },
      "a reset or a port-unreachable came back: nothing listens, or a firewall rejects, once so far, which is too few to decide.",
    ],
    [
      "silent",
      { basis: "silent", reason: "silent", seen, lookback: lookbackOf({ silent: 60, "link-idle": 3 }) },
      "60 times over the last 60 s: sent, nothing came back, and this peer need not answer: no evidence either way.",
    ],
    [
      "silent, of an interface",
      { basis: "silent", reason: "link-idle", lookback: lookbackOf({ "link-idle": 1 }) },
      "once over the last 60 s: too few packets were sent through the tunnel to judge it by the answers.",
    ],
    [
      "silent, of nothing",
      { basis: "silent", reason: "silent" },
      "0 times over the last 60 s: sent, nothing came back, and this peer need not answer: no evidence either way.",
    ],
    [
      "name-has-no-address",
      { basis: "name-has-no-address", reason: "dns-nodata", lookback: lookbackOf({ "dns-nodata": 2 }) },
      "the name exists, but has no address of this family, 2 times over the last 60 s.",
    ],
    [
      "unproven, by a registry whose token host no document names",
      {
        basis: "unproven",
        reason: "token-host-undocumented",
        seen: rememberedOf("token-host-undocumented", NOW_MS, { code: "https://auth.test", httpStatus: 401 }),
        lookback: lookbackOf({ "token-host-undocumented": 2 }),
      },
      "a registry answers and requires a token from a host that no document names, which was not asked: its images are not proven (https://auth.test, HTTP status 401), 2 times over the last 60 s.",
    ],
    [
      "name-has-no-address, of nothing",
      { basis: "name-has-no-address", reason: "dns-nodata" },
      "the name exists, but has no address of this family, 0 times over the last 60 s.",
    ],
    [
      "agent-trouble",
      {
        basis: "agent-trouble",
        reason: "agent-resource",
        seen: rememberedOf("agent-resource", NOW_MS, { code: "EMFILE" }),
      },
      "not measured over the last 60 s: the node refused a socket, a port, memory or permission (EMFILE).",
    ],
    [
      "no-attempt",
      { basis: "no-attempt", lookback: lookbackOf({}, { missedTicks: 7 }) },
      "no attempt ended over the last 60 s; 7 ticks of the schedule were missed.",
    ],
    ["no-data", { basis: "no-data" }, "no sample is fresh; the last one ended at 2026-08-01T11:58:50Z."],
    ["no-data, ever", { basis: "no-data", lastSampleAtMs: undefined }, "no sample has arrived."],
  ])("%s", (_, own, sentence) => {
    expect(evidenceOf(targetOf(TCP), { ...base, ...own })).toBe(`tcp to omni.test:443 over IPv4: ${sentence}`);
  });

  it("names an interface without a port", () => {
    expect(evidenceOf(targetOf(LINK, { host: "siderolink", port: 0, family: 6 }), base)).toMatch(
      /^link to siderolink over IPv6: /,
    );
  });
});
