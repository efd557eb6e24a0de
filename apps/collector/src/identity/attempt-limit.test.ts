import { manualClock } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ATTEMPT_EVERY_MS, ATTEMPT_SOURCES_MAX, ATTEMPTS_MAX, createAttemptLimit } from "./attempt-limit.ts";

describe("the limit of attempts", () => {
  it("admits a burst of attempts, then the steady rate, independently per source", () => {
    const clock = manualClock(0);
    const limit = createAttemptLimit(clock);
    for (let at = 0; at < ATTEMPTS_MAX; at += 1) {
      expect(limit.take("a")).toBe(true);
    }
    expect([limit.take("a"), limit.take("b")]).toEqual([false, true]);
    clock.advance(ATTEMPT_EVERY_MS);
    expect([limit.take("a"), limit.take("a")]).toEqual([true, false]);
  });

  it("gives attempts back, up to its capacity", () => {
    const limit = createAttemptLimit(manualClock(0));
    limit.giveBack("a");
    for (let at = 0; at < ATTEMPTS_MAX; at += 1) limit.take("a");
    limit.giveBack("a");
    expect([limit.take("a"), limit.take("a")]).toEqual([true, false]);
    for (let at = 0; at < 2 * ATTEMPTS_MAX; at += 1) limit.giveBack("a");
    for (let at = 0; at < ATTEMPTS_MAX; at += 1) expect(limit.take("a")).toBe(true);
    expect(limit.take("a")).toBe(false);
  });

  it("admits no source more often than its rate over any span of time", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { maxLength: 200 }), (pausesMs) => {
        const clock = manualClock(0);
        const limit = createAttemptLimit(clock);
        let attempts = 0;
        let sumMs = 0;
        for (const pauseMs of pausesMs) {
          clock.advance(pauseMs);
          sumMs += pauseMs;
          if (limit.take("a")) attempts += 1;
        }
        expect(attempts).toBeLessThanOrEqual(ATTEMPTS_MAX + sumMs / ATTEMPT_EVERY_MS);
      }),
    );
  });

  it("keeps a bounded number of sources, and drops the one whose last attempt is oldest", () => {
    const limit = createAttemptLimit(manualClock(0));
    const exhaust = (source: string) => {
      for (let at = 0; at < ATTEMPTS_MAX; at += 1) limit.take(source);
    };
    exhaust("first");
    exhaust("second");
    for (let at = 0; at < ATTEMPT_SOURCES_MAX - 1; at += 1) limit.take(String(at));
    expect(limit.sources()).toBe(ATTEMPT_SOURCES_MAX);
    expect([limit.take("second"), limit.take("first")]).toEqual([false, true]);
  });
});
