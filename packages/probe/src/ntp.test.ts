import { type Clock, NS_PER_MS, pause, systemClock } from "@lifeline/measure";
import { ntpFromWallMs } from "@lifeline/stamp";
import { beforeAll, describe, expect, it } from "vitest";
import type { ClockSample } from "./clock-sample.ts";
import { decodeNtpAnswer, encodeNtpRequest } from "./ntp-packet.ts";
import { probe } from "./probe.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, silentUdpPort, udpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";
import { kissOfDeath, type NtpLie, ntpAnswer } from "./testing/time-server.ts";

beforeAll(stampsReady);

const ntp = { probe: "ntp" } as const;
const timeServer = (lie: NtpLie = {}) =>
  udpPeer((request, from, socket) => socket.send(ntpAnswer(request, lie), from.port, from.address));

describe("the NTP probe", () => {
  it("is answered by a synchronised server, and says how far this host's clock is off", async () => {
    await using server = await timeServer({ aheadMs: 3_600_000 });
    const samples: ClockSample[] = [];
    const world = worldOf({ onClockSample: (sample) => void samples.push(sample) });
    const sample = await probe(targetOf(ntp, server), world);
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.evidence).toMatchObject({
      address: "127.0.0.1",
      localAddress: "127.0.0.1",
      time: { stratum: 2, rootDelayUs: 500_000, rootDispersionUs: 250_000 },
    });
    // A process that was held up does not know when its request left.
    const offsetUs = sample.evidence.time?.offsetUs ?? 3_600e6;
    expect(Math.abs(offsetUs - 3_600e6)).toBeLessThan(10e6);
    for (const { offsetMs } of samples) expect(offsetMs * 1_000).toBeCloseTo(offsetUs, -1);
  });

  it("sends a client's request that shows nothing of this host, and one only (M1)", async () => {
    const seen: Buffer[] = [];
    await using server = await udpPeer((request, from, socket) => {
      seen.push(request);
      socket.send(ntpAnswer(request), from.port, from.address);
    });
    await probe(targetOf(ntp, server), worldOf());
    expect(seen.map((request) => request.toString("hex"))).toEqual([`23${"00".repeat(39)}${"80".repeat(8)}`]);
  });

  it("takes the server's own time off the round trip (RFC 5905 §8)", async () => {
    await using server = await udpPeer((request, from, socket) => {
      const answer = ntpAnswer(request, { tookMs: 40 });
      setTimeout(() => socket.send(answer, from.port, from.address), 40);
    });
    const started = systemClock.monotonicNs();
    const sample = await probe(targetOf(ntp, server), worldOf());
    const tookNs = systemClock.monotonicNs() - started;
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.ns).toBeLessThanOrEqual(tookNs - 39 * NS_PER_MS);
  });

  it("has no round trip where the server's clock was stepped within the exchange", async () => {
    await using server = await timeServer({ tookMs: -5_000 });
    const sample = await probe(targetOf(ntp, server), worldOf());
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt).toBeUndefined();
    expect(sample.evidence.time?.offsetUs).toBeUndefined();
  });

  it.each([
    ["another origin", { 24: 1 }],
    ["the mode of a client", { 0: 0x23 }],
    ["the mode of a broadcast", { 0: 0x25 }],
    ["version 7", { 0: 0x3c }],
  ])("takes a datagram with %s for no answer: the attempt is lost, and the datagram counted", async (_, bytes) => {
    await using server = await timeServer({ bytes });
    const sample = await probe(targetOf(ntp, { ...server, timeoutMs: 100 }), worldOf());
    expect(sample.outcome).toEqual({ reason: "ntp-stray", phase: "first-byte" });
    expect(sample.evidence.strays).toBe(1);
    expect(sample.rtt).toBeUndefined();
  });

  it("finds its answer among datagrams that are none", async () => {
    await using server = await udpPeer((request, from, socket) => {
      for (const bytes of [request, Buffer.from("no time"), ntpAnswer(request).subarray(1), ntpAnswer(request)])
        socket.send(bytes, from.port, from.address);
    });
    const sample = await probe(targetOf(ntp, server), worldOf());
    expect(sample).toMatchObject({ outcome: { reason: "answered" }, evidence: { strays: 3 } });
  });

  it("is lost when nothing comes back", async () => {
    await using silent = await silentUdpPort();
    const sample = await probe(targetOf(ntp, { ...silent, timeoutMs: 60 }), worldOf());
    expect(sample.outcome).toEqual({ reason: "timeout", phase: "first-byte" });
  });

  it("is refused by a port-unreachable", async () => {
    const sample = await probe(targetOf(ntp, { port: await closedPort() }), worldOf());
    expect(sample.outcome.reason).toBe("refused");
  });

  it.each([
    ["leap indicator 3", { 0: 0xe4 }],
    ["stratum 16", { 1: 16 }],
    ["stratum 0 without a code", { 1: 0 }],
    ["a root distance of 17 s", { 9: 17 }],
    ["no transmit time", Object.fromEntries(Array.from({ length: 8 }, (_, at) => [40 + at, 0]))],
  ])("shows a server that is not synchronised: %s", async (_, bytes) => {
    await using server = await timeServer({ bytes });
    const samples: ClockSample[] = [];
    const world = worldOf({ onClockSample: (sample) => void samples.push(sample) });
    const sample = await probe(targetOf(ntp, server), world);
    expect(sample.outcome).toEqual({ reason: "time-unsynchronised", phase: "first-byte" });
    expect(sample.evidence.time?.offsetUs).toBeUndefined();
    expect(samples).toEqual([]);
  });

  it("works over the end of NTP's era in 2036 (RFC 5905 §6)", async () => {
    const eraEndMs = Date.UTC(2036, 1, 7, 6, 28, 16);
    const answer = decodeNtpAnswer(
      (() => {
        const bytes = ntpAnswer(encodeNtpRequest(5n));
        bytes.writeBigUInt64BE(ntpFromWallMs(eraEndMs + 500), 40);
        return bytes;
      })(),
      5n,
    );
    expect(answer?.sentAt).toBe(ntpFromWallMs(eraEndMs + 500));
    expect(answer?.isSynchronised).toBe(true);
  });
});

describe("a server that asks to be left alone", () => {
  /** A world whose clock a test moves, as far as waits of minutes go. */
  function skippingWorld() {
    const punctual = new PunctualClock();
    let skippedNs = 0;
    const clock: Clock = {
      monotonicNs: () => punctual.monotonicNs() + skippedNs,
      threadCpuNs: () => punctual.threadCpuNs(),
      after: (delayMs, wake) => punctual.after(delayMs, wake),
      wallMs: () => punctual.wallMs(),
    };
    const skipS = (s: number) => {
      skippedNs += s * 1_000 * NS_PER_MS;
    };
    return { world: worldOf({ clock, kernel: "none" }), skipS };
  }

  it.each([
    ["DENY", 6, 14_400],
    ["RSTR", 6, 14_400],
    ["RATE", 6, 128],
    ["RATE", 12, 4_096],
    ["RATE", 127, 131_072],
  ])("by %s and the poll exponent %i says for how long: %i s", async (code, pollExponent, forS) => {
    await using server = await udpPeer((request, from, socket) =>
      socket.send(kissOfDeath(request, code, pollExponent), from.port, from.address),
    );
    const sample = await probe(targetOf(ntp, server), worldOf());
    expect(sample.outcome).toEqual({ reason: "rate-limited", phase: "first-byte" });
    expect(sample.evidence).toMatchObject({ code, retryAfterMs: forS * 1_000 });
  });

  it("by RATE is left alone twice as long each time, until it answers", async () => {
    let isOver = false;
    await using server = await udpPeer((request, from, socket) =>
      socket.send(isOver ? ntpAnswer(request) : kissOfDeath(request, "RATE"), from.port, from.address),
    );
    const { world, skipS } = skippingWorld();
    const pauseS = async () => {
      const { evidence } = await probe(targetOf(ntp, server), world);
      skipS(200);
      return (evidence.retryAfterMs ?? 0) / 1_000;
    };
    expect([await pauseS(), await pauseS(), await pauseS()]).toEqual([128, 256, 512]);
    isOver = true;
    expect(await pauseS()).toBe(0);
    isOver = false;
    expect(await pauseS()).toBe(128);
  });

  it("is not believed unless it answers this request", async () => {
    await using server = await udpPeer((request, from, socket) => {
      const forged = kissOfDeath(request, "DENY");
      forged.writeUInt8(1, 24);
      socket.send(forged, from.port, from.address);
      socket.send(ntpAnswer(request), from.port, from.address);
    });
    const sample = await probe(targetOf(ntp, server), worldOf());
    expect(sample.outcome.reason).toBe("answered");
  });
});

it("two targets at one server send their packets 2 s apart (P1)", async () => {
  const atMs: number[] = [];
  await using server = await udpPeer((request, from, socket) => {
    atMs.push(systemClock.monotonicNs() / NS_PER_MS);
    socket.send(ntpAnswer(request), from.port, from.address);
  });
  const world = worldOf();
  const samples = await Promise.all(
    ["one", "two"].map(async (requirementId) => {
      const sample = await probe(targetOf(ntp, { ...server, requirementId }), world);
      return sample.outcome.reason;
    }),
  );
  await pause(systemClock, 0);
  expect(samples).toEqual(["answered", "answered"]);
  expect((atMs[1] ?? 0) - (atMs[0] ?? 0)).toBeGreaterThanOrEqual(1_990);
});
