import { describe, expect, it } from "vitest";
import { locate } from "./locate.ts";
import { emptyTrace } from "./probe-result.ts";
import { answerOf, dnsServer } from "./testing/dns-server.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { udpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";

const tcp = { probe: "tcp", acceptReset: false } as const;

describe("locating a target", () => {
  it("measures how long the resolver took", async () => {
    await using server = await dnsServer();
    const trace = emptyTrace();
    const world = worldOf({ resolvers: [`127.0.0.1:${server.port}`] });
    const located = await locate(world, targetOf(tcp, { host: "good.test", port: 1 }), trace);
    expect(located).toEqual({ kind: "address", address: "127.0.0.1" });
    expect(trace.phases.dnsNs).toBeGreaterThan(0);
  });

  it("uses an answer that a stall delayed, without its duration (M3)", async () => {
    const clock = new PunctualClock();
    await using server = await udpPeer((query, from, socket) => {
      socket.send(answerOf(query) ?? "", from.port, from.address, () => clock.stall(20_000));
    });
    const trace = emptyTrace();
    const world = worldOf({ clock, resolvers: [`127.0.0.1:${server.port}`] });
    const located = await locate(world, targetOf(tcp, { host: "good.test", port: 1 }), trace);
    expect(located).toEqual({ kind: "address", address: "127.0.0.1" });
    expect(trace.phases.dnsNs).toBeUndefined();
  });
});
