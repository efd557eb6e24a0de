import { manualClock, type ProbeOptions, type Sample, type Target, targetId } from "@lifeline/measure";

import { describe, expect, it } from "vitest";
import { EndpointPauses } from "./endpoint-pauses.ts";

const expectation = { method: "GET", version: "1.1", statuses: [] } as const;
const http = (path: string): ProbeOptions => ({ probe: "http", expect: { ...expectation, path } });

function targetOf(options: ProbeOptions, changes: Partial<Target> = {}): Target {
  const target = { requirementId: "r", host: "hub.test", port: 443, family: 4 as const, options, ...changes };
  return { id: targetId(target), cadenceMs: 1_000, timeoutMs: 1_000, ...target };
}

function limited({ id }: Target, retryAfterMs: number): Sample {
  const outcome = { reason: "rate-limited", phase: "first-byte" } as const;
  return {
    targetId: id,
    startedAtMs: 0,
    endedAtMs: 0,
    outcome,
    phases: {},
    evidence: { httpStatus: 429, retryAfterMs },
  };
}

describe("an endpoint's pause", () => {
  const asked = targetOf(http("/v2/"));

  it("holds until it is over, and says for how long", () => {
    const clock = manualClock(0);
    const pauses = new EndpointPauses(clock);
    expect(pauses.heldSample(asked)).toBeUndefined();
    pauses.observe(asked, limited(asked, 5_000));
    clock.advance(2_000);
    const held = pauses.heldSample(asked);
    expect(held?.outcome).toEqual({ reason: "rate-held", phase: "plan" });
    expect(held?.evidence).toEqual({ httpStatus: 429, retryAfterMs: 3_000 });
    clock.advance(3_000);
    expect(pauses.heldSample(asked)).toBeUndefined();
  });

  it.each<[string, Target, boolean]>([
    ["another path", targetOf(http("/other")), true],
    ["the other family", targetOf(http("/v2/"), { family: 6 }), true],
    ["gRPC", targetOf({ probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } }), true],
    ["a connection without a request", targetOf({ probe: "tcp", acceptReset: false }), false],
    ["another host", targetOf(http("/v2/"), { host: "other.test" }), false],
    ["another port", targetOf(http("/v2/"), { port: 444 }), false],
  ])("for %s: %j", (_, other, isHeld) => {
    const pauses = new EndpointPauses(manualClock(0));
    pauses.observe(asked, limited(asked, 5_000));
    expect(pauses.heldSample(other) !== undefined).toBe(isHeld);
  });

  it("of a time server holds for NTP and NTS", () => {
    const pauses = new EndpointPauses(manualClock(0));
    const ntp = targetOf({ probe: "ntp" }, { port: 123 });
    pauses.observe(ntp, limited(ntp, 5_000));
    const nts = targetOf({ probe: "nts", trust: { kind: "public" } }, { port: 4_460 });
    expect(pauses.heldSample(nts)?.outcome.reason).toBe("rate-held");
    expect(pauses.heldSample(targetOf(http("/")))).toBeUndefined();
  });
});
