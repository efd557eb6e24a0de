import { systemClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { afterSyn, targetOf, temporaryFile, worldOf } from "./testing/loopback.ts";
import { closedPort, silentTcpPort, tcpPeer } from "./testing/peers.ts";
import { LaggingClock, PunctualClock } from "./testing/punctual-clock.ts";

const tcp = { probe: "tcp", acceptReset: false } as const;

describe("the TCP probe", () => {
  it("is answered by a listener, with the kernel's handshake time", async () => {
    await using peer = await tcpPeer();
    const sample = await probe(targetOf(tcp, peer), worldOf());
    expect(sample.outcome).toEqual({ reason: "answered", phase: "connect" });
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.rtt?.ns).toBeGreaterThan(0);
    expect(sample.phases.connectNs).toBe(sample.rtt?.ns);
    expect(sample.evidence).toMatchObject({ address: "127.0.0.1", localAddress: "127.0.0.1" });
    expect(sample.endedAtMs).toBeGreaterThanOrEqual(sample.startedAtMs);
  });

  it("is timed by the monotonic clock without the kernel's, and says so", async () => {
    await using peer = await tcpPeer();
    const sample = await probe(targetOf(tcp, peer), worldOf({ kernel: "none" }));
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.source).toBe("monotonic");
  });

  it("connects over IPv6 to that address (M1)", async () => {
    await using peer = await tcpPeer(undefined, "::1");
    const sample = await probe(targetOf(tcp, { port: peer.port, host: "localhost", family: 6 }), worldOf());
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.evidence).toMatchObject({ address: "::1", answers: ["::1"] });
  });

  it("does not try the other family (M1)", async () => {
    await using peer = await tcpPeer(undefined, "::1");
    // At 127.0.0.1 another process may have the same port.
    using hosts = temporaryFile("hosts", "127.77.0.1 both\n::1 both\n");
    const sample = await probe(targetOf(tcp, { port: peer.port, host: "both" }), worldOf({ hostsFile: hosts.path }));
    expect(sample.outcome).toEqual({ reason: "refused", phase: "connect" });
    expect(sample.evidence.address).toBe("127.77.0.1");
  });

  it.each([
    [false, "refused"],
    [true, "answered"],
  ])("judges a reset, when acceptReset is %s, as %s with a round trip", async (acceptReset, reason) => {
    const sample = await probe(targetOf({ probe: "tcp", acceptReset }, { port: await closedPort() }), worldOf());
    expect(sample.outcome).toEqual({ reason, phase: "connect" });
    expect(sample.rtt?.source).toBe("monotonic");
    expect(sample.evidence.code).toBe("ECONNREFUSED");
  });

  it("times out when the SYN is dropped, without a round trip", async () => {
    await using peer = await silentTcpPort();
    const sample = await probe(targetOf(tcp, { port: peer.port, timeoutMs: 60 }), worldOf());
    expect(sample.outcome).toEqual({ reason: "timeout", phase: "connect" });
    expect(sample.rtt).toBeUndefined();
  });

  it("counts the SYNs that the kernel sent again", async () => {
    await using peer = await silentTcpPort();
    const startedNs = systemClock.monotonicNs();
    const sample = await probe(targetOf(tcp, { port: peer.port, timeoutMs: 1_900 }), worldOf());
    const tookNs = systemClock.monotonicNs() - startedNs;
    // The kernel waits at least a second before each.
    expect(sample.evidence.synRetransmits).toBeGreaterThanOrEqual(1);
    expect(sample.evidence.synRetransmits).toBeLessThanOrEqual(Math.floor(tookNs / 1e9));
  });

  it("says that this node has no route", async () => {
    // Linux refuses TCP to a multicast address itself, and nothing is sent (net/ipv4/tcp_ipv4.c, tcp_v4_connect).
    const sample = await probe(targetOf(tcp, { port: 1, host: "224.0.0.1" }), worldOf());
    expect(sample.outcome).toEqual({ reason: "network-unreachable", phase: "connect" });
    expect(sample.evidence.code).toBe("ENETUNREACH");
  });

  it("has no address for a literal of the other family", async () => {
    const sample = await probe(targetOf(tcp, { port: 1, host: "::1" }), worldOf());
    expect(sample.outcome).toEqual({ reason: "dns-nodata", phase: "dns" });
  });
});

describe("a stalled event loop (M3)", () => {
  it("does not lose a handshake that the kernel finished: it is answered, with the kernel's time", async () => {
    await using peer = await tcpPeer();
    const clock = new PunctualClock();
    const sampling = probe(targetOf(tcp, peer), worldOf({ clock }));
    await afterSyn();
    clock.stall(20_000);
    const sample = await sampling;
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt).toMatchObject({ source: "kernel" });
    expect(sample.rtt?.ns).toBeLessThan(10_000e6);
  });

  it("makes an attempt stalled, not lost, without the kernel's stamps", async () => {
    await using peer = await tcpPeer();
    const clock = new PunctualClock();
    const sampling = probe(targetOf(tcp, peer), worldOf({ clock, kernel: "none" }));
    await afterSyn();
    clock.stall(20_000);
    const sample = await sampling;
    expect(sample.outcome.reason).toBe("stalled");
    // The time of a stall is no latency.
    expect(sample.rtt).toBeUndefined();
    expect(sample.phases.connectNs).toBeUndefined();
  });

  it("is more than timers that are a little late: then a dropped SYN is a timeout", async () => {
    await using peer = await silentTcpPort();
    const world = worldOf({ clock: new LaggingClock(35) });
    const sample = await probe(targetOf(tcp, { port: peer.port, timeoutMs: 900 }), world);
    expect(sample.outcome.reason).toBe("timeout");
  });

  it("makes a dropped SYN stalled too", async () => {
    await using peer = await silentTcpPort();
    const clock = new PunctualClock();
    const sampling = probe(targetOf(tcp, peer), worldOf({ clock }));
    await afterSyn();
    clock.stall(20_000);
    expect((await sampling).outcome).toEqual({ reason: "stalled", phase: "connect" });
  });
});
