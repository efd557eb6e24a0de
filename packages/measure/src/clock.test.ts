import { describe, expect, it } from "vitest";
import { manualClock, NS_PER_MS, NS_PER_US, pause, systemClock } from "./clock.ts";

describe("the host's clocks", () => {
  it("agree with their sources, in their units", () => {
    expect([NS_PER_MS, NS_PER_US]).toEqual([1_000_000, 1_000]);
    const wallMs = Date.now();
    expect(systemClock.wallMs()).toBeGreaterThanOrEqual(wallMs);
    expect(systemClock.wallMs()).toBeLessThanOrEqual(Date.now());
    const cpuNs = process.threadCpuUsage().user * NS_PER_US;
    expect(systemClock.threadCpuNs()).toBeGreaterThanOrEqual(cpuNs);
  });

  it("wait at least the given delay, by the monotonic clock", async () => {
    const startNs = systemClock.monotonicNs();
    await new Promise<void>((resolve) => systemClock.after(20, resolve));
    // A timer of Node counts whole milliseconds, and may fire one early.
    expect(systemClock.monotonicNs() - startNs).toBeGreaterThanOrEqual(19 * NS_PER_MS);
  });

  it("cancel a wait, once or twice", async () => {
    let woken = false;
    const timer = systemClock.after(0, () => {
      woken = true;
    });
    timer.cancel();
    timer.cancel();
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    expect(woken).toBe(false);
  });
});

describe("a manual clock", () => {
  it("stands still until advanced, and advances all its times together", () => {
    const clock = manualClock(1_000);
    expect([clock.wallMs(), clock.monotonicNs(), clock.threadCpuNs()]).toEqual([1_000, 0, 0]);
    clock.advance(2.5);
    expect([clock.wallMs(), clock.monotonicNs(), clock.threadCpuNs()]).toEqual([1_002.5, 2_500_000, 2_500_000]);
  });

  it("steps wall time alone (M2)", () => {
    const clock = manualClock(1_000);
    clock.advance(10);
    clock.stepWall(-500);
    expect([clock.wallMs(), clock.monotonicNs()]).toEqual([510, 10 * NS_PER_MS]);
    clock.advance(1);
    expect(clock.wallMs()).toBe(511);
  });

  it("runs timers in the order of their due time, each at its time", () => {
    const clock = manualClock(0);
    const log: string[] = [];
    const note = (name: string) => () => log.push(`${name} ${clock.wallMs()}`);
    clock.after(30, note("c"));
    clock.after(10, () => {
      note("a")();
      clock.after(5, note("b"));
    });
    clock.after(31, note("d"));
    clock.after(20, note("never")).cancel();
    clock.advance(30);
    expect(log).toEqual(["a 10", "b 15", "c 30"]);
    expect(clock.wallMs()).toBe(30);
    clock.advance(1);
    expect(log.at(-1)).toBe("d 31");
  });

  it("runs an overdue timer at once, without setting time back", () => {
    const clock = manualClock(0);
    clock.advance(10);
    let atMs = 0;
    clock.after(-5, () => {
      atMs = clock.wallMs();
    });
    clock.advance(0);
    expect(atMs).toBe(10);
  });

  it("ignores the cancelling of a timer that has run", () => {
    const clock = manualClock(0);
    let count = 0;
    const first = clock.after(1, () => {});
    clock.after(2, () => {
      count += 1;
    });
    clock.advance(1);
    first.cancel();
    clock.advance(1);
    expect(count).toBe(1);
  });
});

describe("a pause", () => {
  it("ends at its time", async () => {
    const clock = manualClock(0);
    let ended = false;
    const paused = pause(clock, 10).then(() => {
      ended = true;
    });
    clock.advance(9);
    await Promise.resolve();
    expect(ended).toBe(false);
    clock.advance(1);
    await paused;
    expect(ended).toBe(true);
  });

  it("ends when its signal aborts, and leaves no timer", async () => {
    const clock = manualClock(0);
    const controller = new AbortController();
    let cancelled = 0;
    const cancel = () => {
      cancelled += 1;
    };
    const watched = { ...clock, after: () => ({ cancel }) };
    const paused = pause(watched, 10, controller.signal);
    controller.abort();
    await paused;
    expect(cancelled).toBe(1);
  });

  it("does not begin once its signal has aborted", async () => {
    const started: number[] = [];
    const after = (delayMs: number) => {
      started.push(delayMs);
      return { cancel: () => {} };
    };
    const clock = { ...manualClock(0), after };
    await pause(clock, 10, AbortSignal.abort());
    expect(started).toEqual([]);
  });
});
