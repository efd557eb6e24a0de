import { manualClock } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAttemptLimit, FAILURE_EVERY_MS, FAILURES_MAX, SOURCES_MAX } from "./attempt-limit.ts";

describe("the limit of attempts", () => {
  it("lets a source fail as often as it may at once, then once in a while, and no other pays for it", () => {
    const clock = manualClock(0);
    const limit = createAttemptLimit(clock);
    for (let at = 0; at < FAILURES_MAX; at += 1) {
      expect(limit.mayTry("a")).toBe(true);
      limit.failed("a");
    }
    expect([limit.mayTry("a"), limit.mayTry("b")]).toEqual([false, true]);
    clock.advance(FAILURE_EVERY_MS);
    expect(limit.mayTry("a")).toBe(true);
    limit.failed("a");
    expect(limit.mayTry("a")).toBe(false);
  });

  it("lets nobody fail more often than its rate over any stretch of time", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { maxLength: 200 }), (pausesMs) => {
        const clock = manualClock(0);
        const limit = createAttemptLimit(clock);
        let failures = 0;
        let sumMs = 0;
        for (const pauseMs of pausesMs) {
          clock.advance(pauseMs);
          sumMs += pauseMs;
          if (!limit.mayTry("a")) continue;
          limit.failed("a");
          failures += 1;
        }
        expect(failures).toBeLessThanOrEqual(FAILURES_MAX + sumMs / FAILURE_EVERY_MS);
      }),
    );
  });

  it("remembers a bounded number of sources, and forgets the one that failed longest ago", () => {
    const limit = createAttemptLimit(manualClock(0));
    const exhaust = (source: string) => {
      for (let at = 0; at < FAILURES_MAX; at += 1) limit.failed(source);
    };
    exhaust("first");
    exhaust("second");
    for (let at = 0; at < SOURCES_MAX - 1; at += 1) limit.failed(String(at));
    expect(limit.sources()).toBe(SOURCES_MAX);
    expect([limit.mayTry("first"), limit.mayTry("second")]).toEqual([true, false]);
  });
});
