import { type Clock, systemClock } from "@lifeline/measure";
import { ntpFromWallMs } from "@lifeline/stamp";
import { beforeAll, describe, expect, it } from "vitest";
import { type ClockSample, clockSampleOf, NTP_PACKET_BYTES } from "./clock-sample.ts";
import { probe } from "./probe.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { udpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";

beforeAll(stampsReady);

const NOW_MS = 1_800_000_000_000;

/** An answer of a synchronised server whose clock shows `atMs` throughout, with other bytes where they are given. */
function answer(atMs: number, others: Readonly<Record<number, number>> = {}): Uint8Array {
  const bytes = new Uint8Array(NTP_PACKET_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x24);
  view.setUint8(1, 2);
  for (const at of [32, 40]) view.setBigUint64(at, ntpFromWallMs(atMs));
  for (const [at, byte] of Object.entries(others)) view.setUint8(Number(at), byte);
  return bytes;
}

describe("a clock sample", () => {
  it.each([0, 3_600_000, -86_400_000, 20 * 365 * 86_400_000])("finds a clock that is %i ms behind", (behindMs) => {
    const sample = clockSampleOf(answer(NOW_MS + 10 + behindMs), NOW_MS, 20);
    expect(sample?.offsetMs).toBeCloseTo(behindMs, 0);
    expect(sample?.rttMs).toBe(20);
  });

  it("survives the end of the NTP era in 2036 (RFC 5905 §6)", () => {
    const eraEndMs = Date.UTC(2036, 1, 7, 6, 28, 16);
    expect(clockSampleOf(answer(eraEndMs + 500), eraEndMs - 500, 0)?.offsetMs).toBeCloseTo(1_000, 0);
  });

  it.each([
    ["a server that is not synchronised", answer(NOW_MS, { 0: 0xe4 })],
    ["a kiss of death", answer(NOW_MS, { 1: 0 })],
    ["a stratum beyond 15", answer(NOW_MS, { 1: 16 })],
    ["a request that came back", answer(NOW_MS, { 0: 0x23 })],
    ["an answer to another request", answer(NOW_MS, { 24: 1 })],
    ["an answer without a time", answer(NOW_MS).fill(0, 40)],
    ["an answer that is too short", answer(NOW_MS).subarray(1)],
  ])("is not taken of %s (M4)", (_, bytes) => {
    expect(clockSampleOf(bytes, NOW_MS, 1)).toBeUndefined();
  });
});

describe("the UDP probe of a time server", () => {
  const ntp = { probe: "udp", payloadBytes: 48, expectRefusal: false } as const;
  const punctual = new PunctualClock();
  const clock: Clock = {
    monotonicNs: () => punctual.monotonicNs(),
    threadCpuNs: () => punctual.threadCpuNs(),
    after: (delayMs, wake) => punctual.after(delayMs, wake),
    wallMs: () => systemClock.wallMs() - 86_400_000,
  };

  it("tells how far this host's clock is behind, by the datagram that it sends anyway", async () => {
    await using peer = await udpPeer((_, from, socket) => {
      socket.send(answer(systemClock.wallMs()), from.port, from.address);
    });
    const samples: ClockSample[] = [];
    const world = { ...worldOf({ clock }), onClockSample: (sample: ClockSample) => void samples.push(sample) };
    // An attempt in which this process was held up gives no sample.
    while (samples.length === 0) expect((await probe(targetOf(ntp, peer), world)).rtt).toBeDefined();
    expect(Math.abs((samples[0]?.offsetMs ?? 0) - 86_400_000)).toBeLessThan(10_000);
  });
});
