import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { isExpired, startDeadline } from "./deadline.ts";

const never = new Promise<never>(() => {});

/** Moves the clock as a healthy loop would: timers fire on time. */
function run(clock: ReturnType<typeof manualClock>, ms: number): void {
  clock.advance(ms);
}

describe("a deadline", () => {
  it("expires without a stall when timers fire on time", async () => {
    const clock = manualClock(0);
    const deadline = startDeadline(clock, 950);
    run(clock, 950);
    expect(await deadline.race(never)).toEqual({ kind: "expired", stalled: false });
  });

  it("notices a stall anywhere within, not only at its end (M3)", async () => {
    const clock = manualClock(0);
    // A timer that fires late: the clock has moved on by the time it is called.
    const late = { ...clock, after: (ms: number, wake: () => void) => clock.after(ms === 100 ? 180 : ms, wake) };
    const deadline = startDeadline(late, 950);
    run(clock, 2_000);
    expect(await deadline.race(never)).toEqual({ kind: "expired", stalled: true });
  });

  it("lets work that I/O settles after the time is up win over the expiry (M3)", async () => {
    const clock = manualClock(0);
    const deadline = startDeadline(clock, 10);
    const work = new Promise<string>((resolve) => setImmediate(() => resolve("answer")));
    run(clock, 10);
    const first = await deadline.race(work);
    expect(isExpired(first) ? "expired" : first).toBe("answer");
  });

  it("leaves no timer once cancelled", () => {
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
