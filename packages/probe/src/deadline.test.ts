import { type Clock, LATE_WATCH_MS, manualClock, NS_PER_MS } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { isExpired, startDeadline, watchStalls } from "./deadline.ts";

const never = new Promise<never>(() => {});

/** A clock whose timers fire late: by `lagMs` of the moment at which they are due. */
function lagging(clock: ReturnType<typeof manualClock>, lagMs: (dueMs: number) => number): Clock {
  return {
    ...clock,
    after: (ms, wake) => clock.after(ms + lagMs(clock.monotonicNs() / NS_PER_MS + ms), wake),
  };
}

/** How late timers fire when the event loop stands still from one moment to another. */
function stallFrom(fromMs: number, untilMs: number): (dueMs: number) => number {
  return (dueMs) => (dueMs >= fromMs && dueMs < untilMs ? untilMs - dueMs : 0);
}

describe("a deadline", () => {
  it("expires without a stall when timers fire on time", async () => {
    const clock = manualClock(0);
    const deadline = startDeadline(clock, 950);
    clock.advance(950);
    expect(await deadline.race(never)).toEqual({ kind: "expired", stalled: false });
  });

  it.each([
    ["idle for 30 s, timers 2 ms late", 30_000, () => 2, false],
    ["3 s under a load that makes every timer 20 ms late", 3_000, () => 20, false],
    ["a stall of 60 ms anywhere in the last second", 3_000, (nowMs: number) => (nowMs === 2_300 ? 60 : 0), true],
    ["a stall of 5 s that ended before the last second", 10_000, stallFrom(3_000, 8_000), false],
    ["a stall of 5 s that ended within the last second", 10_000, stallFrom(4_500, 9_500), true],
    ["a stall across the end", 950, stallFrom(910, 1_200), true],
    ["a stall anywhere within a threshold below a second", 950, stallFrom(120, 350), true],
  ])("is stalled only when that can have hidden an answer: %s (M3)", async (_, timeoutMs, lagMs, stalled) => {
    const clock = manualClock(0);
    const deadline = startDeadline(lagging(clock, lagMs), timeoutMs);
    clock.advance(timeoutMs + 1_000);
    expect(await deadline.race(never)).toEqual({ kind: "expired", stalled });
  });

  it("calls an answer stalled, not late, that is read before the timer of a stalled slice runs (M3)", () => {
    const clock = manualClock(0);
    const deadline = startDeadline(lagging(clock, stallFrom(10, 400)), 50);
    clock.advance(60);
    expect(deadline.lateness(deadline.elapsedNs())).toBe("late");
    clock.advance(100);
    expect(deadline.lateness(deadline.elapsedNs())).toBe("stalled");
    // A time that the kernel measured does not depend on this process.
    expect(deadline.lateness(deadline.elapsedNs(), true)).toBe("late");
    deadline.cancel();
  });

  it("prefers an answer that is read right after the end of the time to the expiry (M3)", async () => {
    const clock = manualClock(0);
    const deadline = startDeadline(clock, 10);
    const work = new Promise<string>((resolve) => setImmediate(() => resolve("answer")));
    clock.advance(10);
    const first = await deadline.race(work);
    expect(isExpired(first) ? "expired" : first).toBe("answer");
  });

  it("leaves no timer when it is cancelled", () => {
    const clock = manualClock(0);
    let pending = 0;
    const counting = {
      ...clock,
      after(ms: number, wake: () => void) {
        pending += 1;
        const timer = clock.after(ms, wake);
        return {
          cancel() {
            pending -= 1;
            timer.cancel();
          },
        };
      },
    };
    startDeadline(counting, 10).cancel();
    expect(pending).toBe(0);
  });
});

describe("a deadline whose owner watches for late answers", () => {
  // One turn more than an expiry takes.
  const drained = async () => {
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
  };

  it("expires LATE_WATCH_MS after its threshold, and an answer meanwhile is late", async () => {
    const clock = manualClock(0);
    const silences: number[] = [];
    const deadline = startDeadline(clock, 950, () => silences.push(clock.monotonicNs() / NS_PER_MS) > 0);
    let expired: unknown;
    deadline.race(never).then((end) => {
      expired = end;
    });
    clock.advance(950);
    await drained();
    expect(silences).toEqual([950]);
    clock.advance(LATE_WATCH_MS - 1);
    await drained();
    expect(expired).toBeUndefined();
    expect(deadline.lateness(deadline.elapsedNs())).toBe("late");
    clock.advance(1);
    await drained();
    expect(expired).toEqual({ kind: "expired", stalled: false });
    expect(silences).toHaveLength(1);
  });

  it.each([
    ["in the first second of the watch: a whole second was left for the answer", 1_100, 1_500, false],
    ["in its last second", 2_200, 2_400, true],
    ["before the threshold only", 300, 600, false],
  ])("is stalled by a stall %s: %i to %i ms (M3)", async (_, fromMs, untilMs, stalled) => {
    const clock = manualClock(0);
    const deadline = startDeadline(lagging(clock, stallFrom(fromMs, untilMs)), 950, () => true);
    clock.advance(960);
    await drained();
    clock.advance(3_000);
    expect(await deadline.race(never)).toEqual({ kind: "expired", stalled });
  });

  it("expires at once when the owner gives up, and leaves no timer", async () => {
    const clock = manualClock(0);
    let giveUp = () => {};
    const deadline = startDeadline(clock, 950, (end) => {
      giveUp = end;
      return true;
    });
    clock.advance(950);
    await drained();
    giveUp();
    expect(await deadline.race(never)).toEqual({ kind: "expired", stalled: false });
  });

  it("does not report a silence once it was cancelled", async () => {
    const clock = manualClock(0);
    let silences = 0;
    const deadline = startDeadline(clock, 950, () => ++silences > 0);
    clock.advance(950);
    deadline.cancel();
    await drained();
    expect(silences).toBe(0);
  });
});

describe("a watch for stalls", () => {
  it.each([
    ["none, timers 20 ms late for ten seconds", 10_000, () => 20, false],
    ["one long ago", 10_000, stallFrom(1_000, 1_300), true],
    ["one that is still going on", 200, stallFrom(100, 400), true],
  ])("says whether there was one since it began: %s (M3)", (_, forMs, lagMs, stalled) => {
    const clock = manualClock(0);
    const watch = watchStalls(lagging(clock, lagMs));
    clock.advance(forMs);
    expect(watch.stalled()).toBe(stalled);
    watch.stop();
  });
});
