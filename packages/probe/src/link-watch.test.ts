import { NS_PER_MS } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEEPALIVE_FREEZE_MS, type LinkCounters, type LinkState, LinkWatch } from "./link-watch.ts";

/** Bytes of a WireGuard keepalive; the size of packets does not matter. */
const PACKET_BYTES = 32;

/** When packets are sent and received, ms, ascending. */
interface Traffic {
  readonly txAtMs: readonly number[];
  readonly rxAtMs: readonly number[];
}

function countersAt({ txAtMs, rxAtMs }: Traffic, nowMs: number, countsKeepalives = true): LinkCounters {
  const upTo = (times: readonly number[]) => times.filter((at) => at <= nowMs).length;
  const txPackets = upTo(txAtMs);
  return {
    identity: "siderolink 7",
    rxBytes: upTo(rxAtMs) * PACKET_BYTES,
    txBytes: txPackets * PACKET_BYTES,
    txPackets,
    countsKeepalives,
  };
}

/** Reads the counters at each of `readAtMs`. */
function watch(traffic: Traffic, readAtMs: readonly number[], countsKeepalives = true): readonly LinkState[] {
  const link = new LinkWatch();
  return readAtMs.map((atMs) => link.read(countersAt(traffic, atMs, countsKeepalives), atMs * NS_PER_MS));
}

function every(stepMs: number, fromMs: number, untilMs: number): number[] {
  return Array.from({ length: Math.floor((untilMs - fromMs) / stepMs) + 1 }, (_, index) => fromMs + index * stepMs);
}

/** Moments with distances within these bounds. */
function gaps(minMs: number, maxMs: number, count: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: minMs, max: maxMs }), { minLength: count, maxLength: count }).map((steps) => {
    let at = 0;
    return steps.map((step) => (at += step));
  });
}

const kinds = (states: readonly LinkState[]) => states.map(({ kind }) => kind);

describe("the watch of the tunnel's counters", () => {
  it("never calls a tunnel with keepalives alone frozen, at gaps of up to 50 s between received packets", () => {
    const cadence = fc.integer({ min: 250, max: 10_000 });
    fc.assert(
      fc.property(gaps(24_000, 26_000, 30), gaps(1_000, 50_000, 20), cadence, fc.nat(10_000), (tx, rx, step, from) => {
        const readAtMs = every(step, from, Math.min(tx.at(-1) ?? 0, rx.at(-1) ?? 0));
        expect(kinds(watch({ txAtMs: tx, rxAtMs: rx }, readAtMs))).not.toContain("frozen");
      }),
      { numRuns: 60 },
    );
  });

  it("calls it frozen 3–5 s after the last answer, when a packet a second goes unanswered and it is read every second or oftener", () => {
    const jitter = fc.integer({ min: -150, max: 150 });
    fc.assert(
      fc.property(
        fc.integer({ min: 250, max: 1_000 }),
        fc.integer({ min: 0, max: 999 }),
        fc.array(jitter, { minLength: 40, maxLength: 40 }),
        fc.integer({ min: 5, max: 20 }),
        (step, phaseMs, jitters, answered) => {
          const txAtMs = jitters.map((ms, index) => 1_000 * (index + 1) + ms);
          const rxAtMs = txAtMs.slice(0, answered).map((at) => at + 20);
          const lastRxMs = rxAtMs.at(-1) ?? 0;
          const readAtMs = every(step, phaseMs, 38_000);
          const states = watch({ txAtMs, rxAtMs }, readAtMs);
          const firstMs = readAtMs[states.findIndex(({ kind }) => kind === "frozen")] ?? Number.NaN;
          expect(firstMs - lastRxMs).toBeGreaterThanOrEqual(3_000);
          expect(firstMs - lastRxMs).toBeLessThanOrEqual(5_000);
          // It stays frozen until something is received.
          expect(kinds(states.slice(readAtMs.indexOf(firstMs)))).not.toContain("idle");
        },
      ),
    );
  });

  it("needs two readings of a stimulus, however rare they are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_001, max: 10_000 }), (step) => {
        const txAtMs = every(1_000, 500, 60_000);
        const readAtMs = every(step, 0, 60_000);
        const frozenAt = kinds(watch({ txAtMs, rxAtMs: [] }, readAtMs)).indexOf("frozen");
        expect(readAtMs[frozenAt]).toBeGreaterThanOrEqual(3_000);
        expect(readAtMs[frozenAt]).toBeLessThanOrEqual(Math.max(2 * step, 3_000 + step));
      }),
    );
  });

  it("does not take a burst for a stimulus, at any cadence", () => {
    fc.assert(
      fc.property(fc.integer({ min: 250, max: 10_000 }), fc.integer({ min: 1, max: 200 }), (step, packets) => {
        const burst = Array<number>(packets).fill(20_500);
        const states = watch({ txAtMs: burst, rxAtMs: [100] }, every(step, 0, 100_000));
        expect(kinds(states)).not.toContain("frozen");
      }),
    );
  });

  it("does not take a burst between two rare readings for a stimulus", () => {
    const burst = Array<number>(20).fill(19_900);
    expect(kinds(watch({ txAtMs: burst, rxAtMs: [9_000] }, every(10_000, 0, 40_000)))).not.toContain("frozen");
  });

  it("is frozen when keepalives are unanswered for 150 s, and no sooner", () => {
    const txAtMs = every(25_000, 25_000, 400_000);
    const readAtMs = every(1_000, 0, 160_000);
    const states = watch({ txAtMs, rxAtMs: [500] }, readAtMs);
    expect(readAtMs[kinds(states).indexOf("frozen")]).toBe(1_000 + KEEPALIVE_FREEZE_MS);
    expect(states.at(-1)).toEqual({ kind: "frozen", rxFrozenMs: 159_000, txPacketsSince: 6 });
  });

  it("is not frozen by silence on a TUN device, which counts no keepalives (M4)", () => {
    const states = watch({ txAtMs: every(25_000, 0, 400_000), rxAtMs: [] }, every(1_000, 0, 400_000), false);
    expect(kinds(states)).not.toContain("frozen");
  });

  it("is idle when nothing was sent (M4)", () => {
    expect(new Set(kinds(watch({ txAtMs: [], rxAtMs: [] }, every(1_000, 0, 400_000))))).toEqual(new Set(["idle"]));
  });

  it("is alive at the reading that shows bytes received, and idle at the next", () => {
    expect(kinds(watch({ txAtMs: [], rxAtMs: [1_500] }, [0, 1_000, 2_000, 3_000]))).toEqual([
      "idle",
      "idle",
      "alive",
      "idle",
    ]);
  });

  it.each([
    ["counters fall", { rxBytes: 10 }],
    ["it is another interface", { identity: "siderolink 8" }],
  ])("starts again when %s", (_, change) => {
    const link = new LinkWatch();
    const counters = { identity: "siderolink 7", rxBytes: 500, txBytes: 0, txPackets: 0, countsKeepalives: true };
    link.read(counters, 0);
    for (let second = 1; second <= 5; second += 1) {
      link.read({ ...counters, txPackets: second }, second * 1_000 * NS_PER_MS);
    }
    const changed = { ...counters, txPackets: 6, ...change };
    expect(link.read(changed, 6_000 * NS_PER_MS)).toEqual({ kind: "idle", rxFrozenMs: 0, txPacketsSince: 0 });
  });

  it("does not count silence from before a stimulus", () => {
    const states = watch({ txAtMs: [60_500, 61_500], rxAtMs: [100] }, every(1_000, 0, 62_000));
    expect(kinds(states)).not.toContain("frozen");
  });
});
