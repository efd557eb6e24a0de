import { BURST_FACTOR_MAX, NS_PER_MS, type ProbeOptions } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BURST_CADENCE_MS,
  BURST_MS,
  BURSTS_MAX,
  BURSTS_WITHIN_MS,
  cadenceAt,
  FIRST_TICK_WITHIN_MS,
  firstDueNs,
  mayBurst,
  NO_BURSTS,
  nextDueNs,
  phaseNs,
  startBurst,
  TIME_BURST_CADENCE_MS,
  ticksDue,
} from "./schedule.ts";

const cadence = fc.integer({ min: 100, max: 3_600_000 });
const moment = fc.integer({ min: 0, max: 1e15 });

describe("the grid of ticks", () => {
  it("has exactly one tick in any span of one cadence, wherever it begins", () => {
    fc.assert(
      fc.property(cadence, moment, fc.string(), (cadenceMs, fromNs, id) => {
        const intervalNs = cadenceMs * NS_PER_MS;
        const due = nextDueNs(fromNs, intervalNs, phaseNs("node", id, cadenceMs));
        expect(due).toBeGreaterThan(fromNs);
        expect(due).toBeLessThanOrEqual(fromNs + intervalNs);
        expect(ticksDue(due, fromNs + intervalNs, intervalNs)).toBe(1);
      }),
    );
  });

  it("begins within the time given, five seconds by default, and on the grid when that is sooner", () => {
    const within = fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: undefined });
    fc.assert(
      fc.property(cadence, moment, fc.string(), within, (cadenceMs, nowNs, id, withinMs) => {
        const intervalNs = cadenceMs * NS_PER_MS;
        const phase = phaseNs("node", id, cadenceMs);
        const first = firstDueNs(nowNs, intervalNs, phase, withinMs);
        expect(first).toBeGreaterThan(nowNs);
        expect(first).toBeLessThanOrEqual(nowNs + (withinMs ?? FIRST_TICK_WITHIN_MS) * NS_PER_MS);
        if (cadenceMs <= (withinMs ?? FIRST_TICK_WITHIN_MS)) expect(first).toBe(nextDueNs(nowNs, intervalNs, phase));
      }),
    );
  });

  it("does not drift: late wake-ups do not move the ticks", () => {
    fc.assert(
      fc.property(
        cadence,
        fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { maxLength: 50 }),
        (cadenceMs, late) => {
          const intervalNs = cadenceMs * NS_PER_MS;
          const phase = phaseNs("node", "target", cadenceMs);
          let due = nextDueNs(0, intervalNs, phase);
          for (const [at, share] of late.entries()) {
            expect(due).toBe(nextDueNs(0, intervalNs, phase) + at * intervalNs);
            due = nextDueNs(due + Math.floor(share * intervalNs), intervalNs, phase);
          }
        },
      ),
    );
  });

  it("counts every tick that a stall passed over (M3)", () => {
    expect(ticksDue(1_000, 999, 100)).toBe(0);
    expect(ticksDue(1_000, 1_000, 100)).toBe(1);
    expect(ticksDue(1_000, 1_350, 100)).toBe(4);
  });

  it("spreads a fleet evenly over the cadence (P1)", () => {
    const counts = new Array<number>(10).fill(0);
    for (let node = 0; node < 5_000; node++) {
      const slot = Math.floor(phaseNs(`node-${node}`, "target", 1_000) / (100 * NS_PER_MS));
      counts[slot] = (counts[slot] ?? 0) + 1;
    }
    // 500 expected in each; five standard deviations of a binomial are 106.
    for (const count of counts) expect(Math.abs(count - 500)).toBeLessThan(106);
  });

  it("stays where it is for the same node and target, and below the cadence", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), cadence, (node, target, cadenceMs) => {
        const phase = phaseNs(node, target, cadenceMs);
        expect(phase).toBe(phaseNs(node, target, cadenceMs));
        expect(phase).toBeLessThan(cadenceMs * NS_PER_MS);
      }),
    );
  });
});

describe("a burst", () => {
  const every = (cadenceMs: number, options: ProbeOptions = { probe: "link" }) => ({ cadenceMs, options });

  it.each([{ probe: "ntp" }, { probe: "nts", trust: { kind: "public" } }] as const)(
    "asks a time server every four seconds: $probe",
    (options) => {
      const burst = startBurst(NO_BURSTS, 0);
      expect(cadenceAt(every(64_000, options), burst, 1)).toBe(TIME_BURST_CADENCE_MS);
      expect(cadenceAt(every(64_000, options), burst, BURST_MS * NS_PER_MS)).toBe(64_000);
      expect(cadenceAt(every(2_000, options), burst, 1)).toBe(2_000);
    },
  );

  it("probes faster, never above four times the plan's rate, never slower than the plan (P1)", () => {
    const burst = startBurst(NO_BURSTS, 0);
    expect(cadenceAt(every(1_000), burst, 1)).toBe(BURST_CADENCE_MS);
    expect(cadenceAt(every(60_000), burst, 1)).toBe(60_000 / BURST_FACTOR_MAX);
    expect(cadenceAt(every(100), burst, 1)).toBe(100);
  });

  it.each([
    [{ probe: "udp", payloadBytes: 16, expectRefusal: true }, false],
    [{ probe: "udp", payloadBytes: 16, expectRefusal: false }, true],
    [{ probe: "mtu", authenticated: false, requiredBytes: 1_340 }, false],
    [{ probe: "stamp", authenticated: true }, true],
    [{ probe: "link" }, true],
    [{ probe: "tcp", acceptReset: true }, true],
  ] as const)("is allowed unless a faster cadence would look like loss: %j (P1)", (options, may) => {
    expect(mayBurst(options)).toBe(may);
  });

  it("ends after ten seconds", () => {
    const burst = startBurst(NO_BURSTS, 0);
    expect(cadenceAt(every(1_000), burst, BURST_MS * NS_PER_MS - 1)).toBe(BURST_CADENCE_MS);
    expect(cadenceAt(every(1_000), burst, BURST_MS * NS_PER_MS)).toBe(1_000);
  });

  it("lasts half of the time at most, however often the target turns (P1)", () => {
    let bursts = NO_BURSTS;
    let burstMs = 0;
    for (let ms = 0; ms < 10 * BURSTS_WITHIN_MS; ms += 100) {
      bursts = startBurst(bursts, ms * NS_PER_MS);
      expect(bursts.startsNs.length).toBeLessThanOrEqual(BURSTS_MAX);
      if (cadenceAt(every(1_000), bursts, ms * NS_PER_MS) < 1_000) burstMs += 100;
    }
    expect(burstMs / (10 * BURSTS_WITHIN_MS)).toBeLessThanOrEqual(0.5);
  });
});
