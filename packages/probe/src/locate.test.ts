import { describe, expect, it } from "vitest";
import { locate } from "./locate.ts";
import { emptyTrace } from "./probe-result.ts";
import { answerOf, dnsServer } from "./testing/dns-server.ts";
import { targetOf, temporaryFile, worldOf } from "./testing/loopback.ts";
import { udpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";

const tcp = { probe: "tcp", acceptReset: false } as const;

describe("locating the host of a redirect", () => {
  it.each([
    ["public", "127.0.0.1", false],
    ["site", "127.0.0.1", false],
    ["site", "169.254.169.254", false],
    ["public", "10.0.0.1", false],
    ["site", "10.0.0.1", true],
    ["public", "203.0.113.1", true],
  ] as const)("of scope %s at %s: asked is %s", async (redirectScope, address, isAsked) => {
    using hosts = temporaryFile("hosts", `${address} blobs.test\n`);
    const trace = emptyTrace();
    const target = targetOf(tcp, { host: "blobs.test", port: 443, redirectScope });
    const located = await locate(worldOf({ hostsFile: hosts.path }), target, trace);
    const refused = { kind: "ended", outcome: { reason: "redirect-not-allowed", phase: "dns" } };
    expect(located).toEqual(isAsked ? { kind: "address", address } : refused);
    if (!isAsked) expect(trace.evidence.address).toBe(address);
  });

  it("leaves the address of a proxy alone", async () => {
    const proxy = { host: "127.0.0.1", port: 3_128 };
    const target = targetOf(tcp, { host: "127.0.0.1", port: 3_128, redirectScope: "public", proxy });
    expect((await locate(worldOf(), target, emptyTrace())).kind).toBe("address");
  });
});

describe("locating a target", () => {
  it("measures how long the resolver took", async () => {
    await using server = await dnsServer();
    const trace = emptyTrace();
    const world = worldOf({ resolvers: [`127.0.0.1:${server.port}`] });
    const located = await locate(world, targetOf(tcp, { host: "good.test", port: 1 }), trace);
    expect(located).toEqual({ kind: "address", address: "127.0.0.1" });
    expect(trace.phases.dnsNs).toBeGreaterThan(0);
  });

  it("lets the addresses of a name take turns, for each target by itself (M1)", async () => {
    await using server = await dnsServer();
    const world = worldOf({ resolvers: [`127.0.0.1:${server.port}`] });
    const next = async (port: number) => {
      const trace = emptyTrace();
      const located = await locate(world, targetOf(tcp, { host: "good.test", port }), trace);
      expect(trace.evidence.addresses).toEqual(["127.0.0.1", "127.0.0.2"]);
      expect(trace.evidence.addressCount).toBeUndefined();
      return located.kind === "address" ? located.address : undefined;
    };
    expect([await next(1), await next(2), await next(1), await next(1)]).toEqual([
      "127.0.0.1",
      "127.0.0.1",
      "127.0.0.2",
      "127.0.0.1",
    ]);
  });

  it("has at most eight addresses take turns, and counts the others", async () => {
    const addresses = Array.from({ length: 20 }, (_, at) => `127.0.0.${at + 1}`);
    using hosts = temporaryFile("hosts", addresses.map((address) => `${address} many.test\n`).join(""));
    const trace = emptyTrace();
    await locate(worldOf({ hostsFile: hosts.path }), targetOf(tcp, { host: "many.test", port: 1 }), trace);
    expect(trace.evidence).toMatchObject({ addresses: addresses.slice(0, 8), addressCount: 20 });
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
