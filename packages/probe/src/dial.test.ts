import { describe, expect, it } from "vitest";
import { dial } from "./dial.ts";
import { emptyTrace } from "./probe-result.ts";
import { worldOf } from "./testing/loopback.ts";

describe("a dial", () => {
  it("ends, without the system's resolver, when its address is no literal", async () => {
    const trace = emptyTrace();
    const target = {
      address: "::ffff:127.0.0.01",
      port: 1,
      family: 6,
      timeoutMs: 500,
      handshakeTimeoutMs: 500,
    } as const;
    expect(await dial(worldOf(), target, trace)).toEqual({
      kind: "ended",
      outcome: { reason: "agent-resource", phase: "connect" },
    });
    expect(trace.evidence.code).toBe("ENOTFOUND");
  });
});
