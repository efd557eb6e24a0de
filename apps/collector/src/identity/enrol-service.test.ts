import { manualClock } from "@lifeline/measure";
import { type CallContext, type RpcError, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { ATTEMPTS_MAX, createAttemptLimit } from "./attempt-limit.ts";
import { EnrolService } from "./enrol-service.ts";
import type { Registry } from "./registry.ts";

/** A service that refuses every attempt alike. The tests look at which sources it limits. */
function refusing() {
  const refused: string[] = [];
  const clock = manualClock(0);
  const service = new EnrolService({
    ca: undefined,
    certificateLifetimeMs: 0,
    registry: {} as Registry,
    limit: createAttemptLimit(clock),
    clock,
    onAttempt: (what) => refused.push(what),
    isSilent: () => true,
    onReplaced() {},
  });
  const request = { joinToken: "", certificateRequestDer: new Uint8Array() };
  const codeOf = (answer: Promise<unknown>) =>
    answer.then(
      () => RpcStatus.OK,
      (error: unknown) => (error as RpcError).code,
    );
  const context = (peer: string) => ({ peer, connection: undefined, bearerToken: undefined }) as CallContext as never;
  return {
    refused,
    enrol: async (peer: string) => codeOf(Promise.resolve(service.enrol(request as never, context(peer)))),
  };
}

describe("the limit of enrolments", () => {
  it.each([
    ["the addresses of one IPv6 /64", (at: number) => `[2001:db8:0:1::${at.toString(16)}]:4711`, "[2001:db8:0:2::1]:1"],
    ["the ports of one IPv4 address", (at: number) => `192.0.2.1:${4_711 + at}`, "192.0.2.2:1"],
    ["an IPv4 address and the same mapped", (at: number) => `${at % 2 ? "::ffff:" : ""}192.0.2.1:1`, "192.0.2.2:1"],
  ])("counts %s as one source", async (_, peerAt, other) => {
    const { enrol, refused } = refusing();
    for (let at = 1; at <= ATTEMPTS_MAX; at += 1) {
      expect(await enrol(peerAt(at))).toBe(RpcStatus.FAILED_PRECONDITION);
    }
    expect(await enrol(peerAt(ATTEMPTS_MAX + 1))).toBe(RpcStatus.RESOURCE_EXHAUSTED);
    expect(refused).toEqual(["too-many-attempts"]);
    expect(await enrol(other)).toBe(RpcStatus.FAILED_PRECONDITION);
  });
});
