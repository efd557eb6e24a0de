import { utimesSync, writeFileSync } from "node:fs";
import { manualClock, systemClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { CACHE_MAX_ENTRIES, createNameResolver } from "./name-resolver.ts";
import { answerOf, dnsServer } from "./testing/dns-server.ts";
import { temporaryFile } from "./testing/loopback.ts";
import { closedPort, udpPeer } from "./testing/peers.ts";
import { LaggingClock } from "./testing/punctual-clock.ts";

function resolverOn(port: number, hostsFile = "/nonexistent", resolvConf = "/nonexistent") {
  const clock = manualClock(0);
  return { clock, names: createNameResolver({ clock, resolvers: [`127.0.0.1:${port}`], hostsFile, resolvConf }) };
}

describe("the name resolver", () => {
  it("returns all answers, lowest first, in whatever order they come", async () => {
    await using server = await dnsServer();
    const { names } = resolverOn(server.port);
    expect(await names.resolve("good.test", 4)).toEqual({
      kind: "addresses",
      addresses: ["127.0.0.1", "127.0.0.2"],
      count: 2,
      queried: true,
    });
    expect(await names.resolve("good.test", 6)).toMatchObject({ addresses: ["::1"] });
  });

  it("queries again when the TTL is over and no sooner, at most once a second", async () => {
    await using server = await dnsServer();
    const { names, clock } = resolverOn(server.port);
    await names.resolve("good.test", 4);
    clock.advance(29_999);
    expect(await names.resolve("GOOD.test.", 4)).toMatchObject({ queried: false });
    clock.advance(1);
    expect(await names.resolve("good.test", 4)).toMatchObject({ queried: true });
    await names.resolve("ttl0.test", 4);
    clock.advance(999);
    expect(await names.resolve("ttl0.test", 4)).toMatchObject({ queried: false });
    expect(server.queryCount("good.test")).toBe(2);
  });

  it.each([
    ["nxdomain", "dns-nxdomain", "ENOTFOUND"],
    ["nodata", "dns-nodata", "ENODATA"],
    ["servfail", "dns-servfail", "ESERVFAIL"],
    ["refused", "dns-refused", "EREFUSED"],
    ["formerr", "dns-servfail", "EFORMERR"],
    ["notimp", "dns-servfail", "ENOTIMP"],
    ["garbage", "dns-malformed", "EBADRESP"],
  ])("maps %s to %s by its code, and caches it for a second", async (label, reason, code) => {
    await using server = await dnsServer();
    const { names, clock } = resolverOn(server.port);
    expect(await names.resolve(`${label}.test`, 4)).toEqual({ kind: "failed", reason, code, queried: true });
    expect(await names.resolve(`${label}.test`, 4)).toEqual({ kind: "failed", reason, code, queried: false });
    expect(server.queryCount(`${label}.test`)).toBe(1);
    clock.advance(1_000);
    await names.resolve(`${label}.test`, 4);
    expect(server.queryCount(`${label}.test`)).toBe(2);
  });

  it("distinguishes a missing resolver from an impossible name", async () => {
    const { names } = resolverOn(await closedPort());
    expect(await names.resolve("good.test", 4)).toMatchObject({ reason: "dns-unreachable", code: "ECONNREFUSED" });
    expect(await names.resolve("a..test", 4)).toMatchObject({ reason: "agent-resource", code: "EBADNAME" });
  });

  it("calls a timeout after a stall of this process stalled, and queries again at once (M3)", async () => {
    let stallMs = 1_300;
    // The answer is in the socket when c-ares' timer runs, and the timer runs before any socket is read.
    await using server = await udpPeer((query, from, socket) => {
      socket.send(answerOf(query) ?? "", from.port, from.address, () => {
        block(stallMs);
        stallMs = 0;
      });
    });
    const names = createNameResolver({
      clock: systemClock,
      resolvers: [`127.0.0.1:${server.port}`],
      hostsFile: "/nonexistent",
      resolvConf: "/nonexistent",
    });
    expect(await names.resolve("good.test", 4)).toEqual({
      kind: "failed",
      reason: "stalled",
      code: "ETIMEOUT",
      queried: true,
    });
    expect(await names.resolve("good.test", 4)).toMatchObject({ kind: "addresses", queried: true });
  });

  it("calls a silent resolver a timeout, also when timers are a little late", async () => {
    await using server = await dnsServer();
    const names = createNameResolver({
      clock: new LaggingClock(35),
      resolvers: [`127.0.0.1:${server.port}`],
      hostsFile: "/nonexistent",
      resolvConf: "/nonexistent",
    });
    expect(await names.resolve("none.test", 4)).toMatchObject({ kind: "failed", reason: "dns-timeout" });
  });

  it("sends one query for lookups at the same time, and only one of them has queried", async () => {
    await using server = await dnsServer();
    const { names } = resolverOn(server.port);
    const answers = await Promise.all([1, 2, 3].map(() => names.resolve("good.test", 4)));
    expect(answers.map(({ queried }) => queried)).toEqual([true, false, false]);
    expect(server.queryCount("good.test")).toBe(1);
  });

  it("reads the hosts file first, again when it changes, and does not query a name that it has", async () => {
    await using server = await dnsServer();
    using hosts = temporaryFile("hosts", "127.0.0.9 good.test\n");
    const { names } = resolverOn(server.port, hosts.path);
    expect(await names.resolve("Good.test", 4)).toEqual({
      kind: "addresses",
      addresses: ["127.0.0.9"],
      count: 1,
      queried: false,
    });
    expect(await names.resolve("good.test", 6)).toMatchObject({ reason: "dns-nodata", queried: false });
    writeFileSync(hosts.path, "127.0.0.8 good.test\n");
    utimesSync(hosts.path, 1, 1);
    expect(await names.resolve("good.test", 4)).toMatchObject({ addresses: ["127.0.0.8"] });
  });

  it("completes a name by the search list, and says of a name that exists without an address that it has none", async () => {
    await using server = await dnsServer();
    using conf = temporaryFile("resolv.conf", "search nxdomain.corp.test good.lab.test\n");
    const { names } = resolverOn(server.port, undefined, conf.path);
    // The test's server answers by the first label.
    expect(await names.resolve("good", 4)).toMatchObject({ addresses: ["127.0.0.1", "127.0.0.2"], queried: true });
    expect(names.firstQueried("good")).toBe("good.nxdomain.corp.test");
    expect(await names.resolve("nodata", 4)).toMatchObject({ reason: "dns-nodata" });
    expect(server.queryCount("nodata")).toBe(1);
    expect(await names.resolve("nxdomain.test", 4)).toMatchObject({ reason: "dns-nxdomain", queried: true });
    expect(server.queryCount("nxdomain.test.good.lab.test")).toBe(1);
    expect(await names.resolve("none.test.", 4)).toMatchObject({ reason: "dns-timeout" });
    writeFileSync(conf.path, "search other.test\n");
    expect(names.firstQueried("good")).toBe("good.other.test");
  });

  it("takes a completed name that exists after one that does not, and goes on after no failure of the resolver", async () => {
    using conf = temporaryFile("resolv.conf", "search one.test two.test\n");
    await using server = await dnsServer();
    const { names } = resolverOn(server.port, undefined, conf.path);
    expect(await names.resolve("refused", 4)).toMatchObject({ reason: "dns-refused" });
    expect(server.queryCount("refused.one.test")).toBe(1);
    expect(server.queryCount("refused.two.test")).toBe(0);
  });

  it("keeps localhost on this host (RFC 6761 §6.3), and literals as they are", async () => {
    const { names } = resolverOn(9);
    expect(await names.resolve("localhost", 4)).toMatchObject({ addresses: ["127.0.0.1"], queried: false });
    expect(await names.resolve("a.LOCALHOST.", 6)).toMatchObject({ addresses: ["::1"], queried: false });
    expect(await names.resolve("192.0.2.1", 4)).toMatchObject({ addresses: ["192.0.2.1"] });
    expect(await names.resolve("192.0.2.1", 6)).toMatchObject({ kind: "failed", reason: "dns-nodata" });
  });

  it("evicts the oldest when full (S2)", async () => {
    const { names } = resolverOn(await closedPort());
    for (let index = 0; index <= CACHE_MAX_ENTRIES; index += 1) await names.resolve(`n${index}..test`, 4);
    const queried = async (index: number) => (await names.resolve(`n${index}..test`, 4)).queried;
    expect([await queried(CACHE_MAX_ENTRIES), await queried(1), await queried(0)]).toEqual([false, false, true]);
  });

  it("refuses lookups beyond its limit (S2)", async () => {
    await using server = await dnsServer();
    const { names } = resolverOn(server.port);
    const answers = await Promise.all(Array.from({ length: 70 }, (_, index) => names.resolve(`n${index}.test`, 4)));
    expect(answers.filter((answer) => answer.kind === "failed" && answer.reason === "agent-overload")).toHaveLength(6);
  });
});

/** Blocks the event loop for `ms` of the host's time: c-ares has timers of its own, which no clock of a test moves. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
