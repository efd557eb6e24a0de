import type { Timer } from "@lifeline/measure";
import { beforeAll, describe, expect, it } from "vitest";
import { reasonOfErrno } from "./errno.ts";
import { probe } from "./probe.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, silentUdpPort, udpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";

beforeAll(stampsReady);

const udp = { probe: "udp", payloadBytes: 6, expectRefusal: false } as const;

describe("the UDP probe", () => {
  it("detects a closed port, with its ICMP error as a round trip", async () => {
    const sample = await probe(targetOf(udp, { port: await closedPort() }), worldOf());
    expect(sample.outcome).toEqual({ reason: "refused", phase: "first-byte" });
    expect(sample.evidence.code).toBe("ECONNREFUSED");
    expect(sample.rtt?.source).toBe("monotonic");
  });

  it("detects a closed port over IPv6", async () => {
    const port = await closedPort("::1");
    const sample = await probe(targetOf(udp, { port, host: "::1", family: 6 }), worldOf());
    expect(sample.outcome.reason).toBe("refused");
  });

  it("proves nothing by silence (M4)", async () => {
    await using silent = await silentUdpPort();
    const sample = await probe(targetOf(udp, { port: silent.port, timeoutMs: 60 }), worldOf());
    expect(sample.outcome).toEqual({ reason: "silent", phase: "first-byte" });
    expect(sample.rtt).toBeUndefined();
  });

  it("sends one datagram of the required size, which does not look like WireGuard", async () => {
    const seen: Buffer[] = [];
    await using peer = await udpPeer((bytes, from, socket) => {
      seen.push(bytes);
      socket.send("hello", from.port, from.address);
    });
    const sample = await probe(targetOf({ ...udp, payloadBytes: 48 }, peer), worldOf());
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.source).toBe("kernel");
    expect(seen.map((bytes) => bytes.byteLength)).toEqual([48]);
    expect([1, 2, 3, 4]).not.toContain(seen[0]?.[0]);
  });

  it("reports that this node may not send", async () => {
    const sample = await probe(targetOf(udp, { port: 9, host: "255.255.255.255" }), worldOf());
    expect(sample.outcome.phase).toBe("request");
    expect(sample.outcome.reason).toBe("admin-prohibited");
  });

  it("asserts a payload that Omni's TUN would drop", async () => {
    await expect(probe(targetOf({ ...udp, payloadBytes: 5 }, { port: 9 }), worldOf())).rejects.toThrow(
      "payloadBytes is 6–65507, not 5",
    );
  });

  it("is answered in time when the event loop stalls: the kernel stamped the answer (M3)", async () => {
    const clock = new PunctualClock();
    await using peer = await udpPeer((_, from, socket) => {
      socket.send("hello", from.port, from.address, () => clock.stall(20_000));
    });
    const sample = await probe(targetOf(udp, peer), worldOf({ clock }));
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.ns).toBeLessThan(10_000e6);
  });

  it("is stalled where no stamp shows that the answer was in time (M3)", async () => {
    const clock = new PunctualClock();
    await using peer = await udpPeer((_, from, socket) => {
      socket.send("hello", from.port, from.address, () => clock.stall(20_000));
    });
    const sample = await probe(targetOf(udp, peer), worldOf({ clock, kernel: "none" }));
    expect(sample.outcome.reason).toBe("stalled");
  });

  it("has no round trip when this process stalled before it read the refusal (M3)", async () => {
    const target = targetOf(udp, { port: await closedPort() });
    const sample = await probe(target, worldOf({ clock: new StallingClock() }));
    expect(sample.outcome).toEqual({ reason: "stalled", phase: "first-byte" });
    expect(sample.rtt).toBeUndefined();
  });
});

describe("the UDP probe of a port known to be closed", () => {
  const closed = { probe: "udp", payloadBytes: 16, expectRefusal: true } as const;

  it.each([
    ["127.0.0.1", 4],
    ["::1", 6],
  ] as const)("is answered by the refusal of %s", async (host, family) => {
    const port = await closedPort(host);
    const sample = await probe(targetOf(closed, { port, host, family }), worldOf());
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(sample.rtt?.source).toBe("monotonic");
    expect(sample.rtt?.ns).toBeGreaterThan(0);
    expect(sample.evidence).toMatchObject({ code: "ECONNREFUSED", address: host, localAddress: host });
  });

  it("times out by silence, which is a loss here", async () => {
    await using silent = await silentUdpPort();
    const sample = await probe(targetOf(closed, { port: silent.port, timeoutMs: 60 }), worldOf());
    expect(sample.outcome).toEqual({ reason: "timeout", phase: "first-byte" });
    expect(sample.rtt).toBeUndefined();
  });

  it("is answered by a datagram too", async () => {
    await using peer = await udpPeer((_, from, socket) => socket.send("hello", from.port, from.address));
    const sample = await probe(targetOf(closed, peer), worldOf());
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.source).toBe("kernel");
  });

  it("is stalled when this process stalled before it read the refusal (M3)", async () => {
    const target = targetOf(closed, { port: await closedPort() });
    const sample = await probe(target, worldOf({ clock: new StallingClock() }));
    expect(sample.outcome.reason).toBe("stalled");
    expect(sample.rtt).toBeUndefined();
  });
});

/**
 * Stalls right after a deadline has started, which is in the turn that sends, for longer than a target has to answer.
 */
class StallingClock extends PunctualClock {
  override after(delayMs: number, wake: () => void): Timer {
    process.nextTick(() => this.stall(20_000));
    return super.after(delayMs, wake);
  }
}

describe("errno", () => {
  it.each([
    ["ECONNREFUSED", "connect", "refused"],
    ["ECONNREFUSED", "datagram-answer", "refused"],
    ["EHOSTUNREACH", "connect", "host-unreachable"],
    // A connected UDP socket gets no error for an unreachable host, so this one is from a filter (icmp_err_convert).
    ["EHOSTUNREACH", "datagram-answer", "admin-prohibited"],
    ["EHOSTUNREACH", "datagram-send", "network-unreachable"],
    ["EMSGSIZE", "datagram-send", "mtu-too-small"],
    ["ENETUNREACH", "connect", "network-unreachable"],
    ["EACCES", "datagram-answer", "admin-prohibited"],
    ["EPERM", "datagram-send", "admin-prohibited"],
    ["ECONNRESET", "stream", "reset"],
    ["ETIMEDOUT", "connect", "timeout"],
    ["ETIMEDOUT", "stream", "handshake-timeout"],
    ["EMFILE", "connect", "agent-resource"],
    ["ENOBUFS", "datagram-send", "agent-resource"],
    ["EADDRNOTAVAIL", "connect", "agent-resource"],
    ["EWHATEVER", "connect", "agent-resource"],
    ["toString", "connect", "agent-resource"],
  ] as const)("%s at %s is %s", (code, place, reason) => {
    expect(reasonOfErrno(code, place)).toBe(reason);
  });
});
