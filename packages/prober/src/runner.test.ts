import { type ManualClock, manualClock, type Sample, type Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { WATCHED_PER_TARGET_MAX } from "./attempts-in-flight.ts";
import { Runner, type RunnerOptions } from "./runner.ts";
import { FIRST_TICK_WITHIN_MS } from "./schedule.ts";
import { sampleOf, tcpTarget } from "./testing/samples.ts";

function start(
  targets: readonly Target[],
  overrides: Partial<RunnerOptions> = {},
  clock: ManualClock = manualClock(0),
  wantsBurst = () => false,
  wantsBurstAtSilence = () => false,
) {
  const begun: number[] = [];
  const missed = new Map<string, number>();
  const ended: Sample[] = [];
  const defects: unknown[] = [];
  const runner = new Runner({
    clock,
    nodeId: "node",
    probe: async (target) => sampleOf(target.id, clock.wallMs(), "answered"),
    begun: () => {
      begun.push(clock.monotonicNs());
      return {
        silent: wantsBurstAtSilence,
        heard() {},
        ended(sample) {
          ended.push(sample);
          return wantsBurst();
        },
      };
    },
    missed: (id, ticks) => missed.set(id, (missed.get(id) ?? 0) + ticks),
    onDefect: (_, error) => defects.push(error),
    ...overrides,
  });
  runner.setTargets(targets);
  return { runner, clock, begun, missed, ended, defects };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("the runner", () => {
  it("begins one attempt for each cadence of each target", async () => {
    const { clock, begun } = start([tcpTarget(1), tcpTarget(2, { cadenceMs: 500 })]);
    for (let ms = 0; ms < 10_000; ms += 100) {
      clock.advance(100);
      await settle();
    }
    expect(begun).toHaveLength(10 + 20);
  });

  it("keeps the cadence of a target that is answered by ICMP errors (P1)", async () => {
    const options = { probe: "udp", payloadBytes: 16, expectRefusal: true } as const;
    for (const [target, expected] of [
      [tcpTarget(1, { options }), 10],
      [tcpTarget(1), 37],
    ] as const) {
      const { clock, begun } = start([target], {}, manualClock(0), () => true);
      for (let ms = 0; ms < 10_000; ms += 50) {
        clock.advance(50);
        await settle();
      }
      expect(begun.length).toBeGreaterThanOrEqual(expected);
      expect(begun.length).toBeLessThanOrEqual(expected + 3);
    }
  });

  it("counts the ticks of a stall as missed and makes up none (M3)", () => {
    const clock = manualClock(0);
    // A stall: time passes, timers do not run.
    let stalled = 0;
    const stalling = { ...clock, monotonicNs: () => clock.monotonicNs() + stalled };
    const target = tcpTarget(1);
    const { begun, missed } = start([target], {}, stalling);
    clock.advance(3_000);
    const before = begun.length;
    stalled = 5_000_000_000;
    clock.advance(1_000);
    expect(begun.length - before).toBe(1);
    expect(missed.get(target.id)).toBe(5);
  });

  it("begins at its end what is due and has not begun, counts the other ticks as missed, and begins no more", () => {
    const clock = manualClock(0);
    let stalledNs = 0;
    const stalling = { ...clock, monotonicNs: () => clock.monotonicNs() + stalledNs };
    const target = tcpTarget(1);
    const { runner, begun, missed } = start([target], { untilNs: 5e9 }, stalling);
    clock.advance(1_000);
    expect(begun).toHaveLength(1);
    stalledNs = 8_000_000_000;
    runner.beginDue();
    runner.beginDue();
    expect(begun).toHaveLength(2);
    expect(missed.get(target.id)).toBe(3);
  });

  it("has no tick after its end, when its timer fires late", () => {
    const clock = manualClock(0);
    let stalledNs = 0;
    const stalling = { ...clock, monotonicNs: () => clock.monotonicNs() + stalledNs };
    const target = tcpTarget(1);
    const { begun, missed } = start([target], { untilNs: 5e9 }, stalling);
    clock.advance(1_000);
    stalledNs = 8_000_000_000;
    clock.advance(20_000);
    expect(begun).toHaveLength(2);
    expect(missed.get(target.id)).toBe(3);
  });

  it("counts a tick as missed when too many attempts are in flight at a target (S2)", () => {
    const target = tcpTarget(1);
    const { clock, runner, begun, missed } = start([target], {
      probe: () => new Promise(() => {}),
      inFlightPerTargetMax: 2,
    });
    clock.advance(5_000);
    expect(begun).toHaveLength(2);
    expect(runner.inFlight()).toBe(2);
    expect(missed.get(target.id)).toBe(3);
  });

  /** A probe whose attempts are silent at once, and end when they are given up. */
  const silentProbe =
    (clock: ManualClock, watched: boolean[]): RunnerOptions["probe"] =>
    (target, watch) => {
      const { promise, resolve } = Promise.withResolvers<Sample>();
      const giveUp = () => resolve(sampleOf(target.id, clock.wallMs(), "timeout"));
      const isWatched = watch.silent({ address: "192.0.2.1", giveUp });
      watched.push(isWatched);
      if (!isWatched) giveUp();
      return promise;
    };

  it("lets attempts that are watched for a late answer hold up no tick, and bounds them (S2)", async () => {
    const clock = manualClock(0);
    const target = tcpTarget(1);
    const watched: boolean[] = [];
    const { runner, begun, missed, ended } = start(
      [target],
      { probe: silentProbe(clock, watched), inFlightPerTargetMax: 1 },
      clock,
    );
    for (let second = 0; second < WATCHED_PER_TARGET_MAX + 3; second += 1) {
      clock.advance(1_000);
      await settle();
    }
    expect(begun).toHaveLength(WATCHED_PER_TARGET_MAX + 3);
    expect(missed.size).toBe(0);
    expect(watched.filter((one) => one)).toHaveLength(WATCHED_PER_TARGET_MAX);
    expect(runner.inFlight()).toBe(WATCHED_PER_TARGET_MAX);
    // Without a watch it is not known whether the answer would have been late.
    expect(ended.map(({ outcome }) => outcome.reason)).toEqual(Array(3).fill("agent-overload"));
  });

  it("waits for watched attempts, unless they are abandoned; then none is watched any more", async () => {
    const clock = manualClock(0);
    const watched: boolean[] = [];
    const { runner, ended } = start([tcpTarget(1)], { probe: silentProbe(clock, watched) }, clock);
    clock.advance(1_000);
    let isDrained = false;
    const drained = runner.drained(new AbortController().signal).then(() => {
      isDrained = true;
    });
    await settle();
    expect(isDrained).toBe(false);
    runner.abandonWatched();
    await drained;
    expect(ended.map(({ outcome }) => outcome.reason)).toEqual(["timeout"]);
    clock.advance(1_000);
    await settle();
    expect(watched).toEqual([true, false]);
  });

  it("begins a burst at a silence that asks for one", async () => {
    const clock = manualClock(0);
    const options = { probe: silentProbe(clock, []) };
    const { begun } = start([tcpTarget(1)], options, clock, undefined, () => true);
    clock.advance(1_000);
    const [first = 0] = begun;
    clock.advance(1_500);
    await settle();
    expect(begun.filter((ns) => ns > first && ns <= first + 1e9).length).toBe(4);
  });

  it("counts a tick as missed when too many attempts are in flight in all (S2)", () => {
    const targets = [1, 2, 3].map((port) => tcpTarget(port));
    const { clock, begun, missed } = start(targets, { probe: () => new Promise(() => {}), inFlightMax: 2 });
    clock.advance(1_000);
    expect(begun).toHaveLength(2);
    expect([...missed.values()]).toEqual([1]);
  });

  it("probes four times as fast for ten seconds once a sample starts a burst", async () => {
    const clock = manualClock(0);
    let samples = 0;
    const { begun } = start([tcpTarget(1)], {}, clock, () => ++samples === 1);
    for (let ms = 0; ms < 23_000; ms += 50) {
      clock.advance(50);
      await settle();
    }
    const [first = 0] = begun;
    const inBurst = begun.filter((ns) => ns > first && ns <= first + 10e9).length;
    const after = begun.filter((ns) => ns > first + 10.5e9 && ns <= first + 20.5e9).length;
    expect(inBurst).toBe(40);
    expect(after).toBe(10);
  });

  it("attempts the smaller datagram at once when the larger one to the same port turns, which is not in a burst", async () => {
    const udp = (payloadBytes: number, cadenceMs: number) =>
      tcpTarget(9, { options: { probe: "udp", payloadBytes, expectRefusal: true }, cadenceMs });
    const [small, large] = [udp(16, 60_000), udp(1_232, 1_000)];
    const clock = manualClock(0);
    const { ended } = start([small, large, tcpTarget(1, { cadenceMs: 60_000 })], {}, clock, () => true);
    const pass = async (ms: number) => {
      clock.advance(ms);
      await settle();
    };
    await pass(FIRST_TICK_WITHIN_MS);
    await pass(1);
    ended.length = 0;
    await pass(1_000);
    await pass(1);
    expect(ended.map(({ targetId }) => targetId)).toEqual([large.id, small.id]);
  });

  it("keeps a target's place on the grid when the plan around it changes, and drops what is gone", async () => {
    const kept = tcpTarget(1);
    const { clock, runner, begun } = start([kept, tcpTarget(2)]);
    clock.advance(900);
    runner.setTargets([kept]);
    begun.length = 0;
    for (let second = 0; second < 10; second++) {
      clock.advance(1_000);
      await settle();
    }
    expect(begun).toHaveLength(10);
    expect(new Set(begun.map((ns) => Math.round(ns / 1e6) % 1_000)).size).toBe(1);
  });

  it("counts a broken probe as not measured and goes on with the others", async () => {
    const broken = tcpTarget(1);
    const clock = manualClock(0);
    const { ended, defects } = start(
      [broken, tcpTarget(2)],
      {
        probe: async (target) => {
          if (target.id === broken.id) throw new TypeError("broken");
          return sampleOf(target.id, 0, "answered");
        },
      },
      clock,
    );
    clock.advance(1_000);
    await settle();
    expect(ended.map(({ outcome }) => outcome.reason).sort()).toEqual(["agent-resource", "answered"]);
    expect(defects).toHaveLength(1);
  });

  it("begins nothing after it was stopped", () => {
    const { clock, runner, begun } = start([tcpTarget(1)]);
    runner.stop();
    clock.advance(5_000);
    expect(begun).toEqual([]);
  });
});
