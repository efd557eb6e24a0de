import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { windowOfOne } from "../testing/report-fixture.ts";
import { MAX_RECENT_BYTES, MAX_RECENT_WINDOWS, RecentWindows, recentBytes } from "./recent-windows.ts";

const ALL = () => 0;
const bytesIn = (recent: RecentWindows, targets: readonly string[]) =>
  targets.flatMap((target) => recent.of(target)).reduce((sum, window) => sum + recentBytes(window), 0);

describe("recent windows", () => {
  it("are bounded for each target: the oldest go", () => {
    const recent = new RecentWindows();
    const kept = Array.from({ length: MAX_RECENT_WINDOWS + 1 }, (_, at) => recent.add(windowOfOne(at + 1, "t")));
    expect(kept.indexOf(false)).toBe(MAX_RECENT_WINDOWS);
    expect(recent.of("t")).toHaveLength(MAX_RECENT_WINDOWS);
    expect(recent.of("t")[0]?.endMs).toBe(2);
  });

  it("are bounded in bytes over all targets, whatever evidence or sketch a node makes up", () => {
    const recent = new RecentWindows();
    const text = "x".repeat(256);
    const chain = Array.from({ length: 3 }, () => ({
      subject: text,
      issuer: text,
      notBefore: text,
      notAfter: text,
      sha256: text,
      anchor: false,
    }));
    const targets = Array.from({ length: 96 }, (_, at) => `t${at}`);
    let dropped = 0;
    for (let at = 0; at < 96 * MAX_RECENT_WINDOWS; at++) {
      const window = windowOfOne(at + 1, targets[at % 96], "refused", { chain });
      if (!recent.add(window)) dropped += 1;
    }
    expect(dropped).toBeGreaterThan(0);
    expect(bytesIn(recent, targets)).toBeLessThanOrEqual(MAX_RECENT_BYTES);
    expect(targets.every((target) => recent.of(target).length > 0)).toBe(true);
    const sketch = new Map(Array.from({ length: 1_000 }, (_, at) => [at, 1]));
    const window = windowOfOne(1, "t0");
    expect(recentBytes({ ...window, rtt: { ...window.rtt, sketch } })).toBeGreaterThan(20_000);
  });

  it("know how much they hold, after any adding and dropping, and so do their copies", () => {
    const anyWindow = fc.record({ endMs: fc.integer({ min: 2_000, max: 9_000 }), target: fc.constantFrom("a", "b") });
    fc.assert(
      fc.property(fc.array(anyWindow, { maxLength: 300 }), fc.integer({ min: 0, max: 9_000 }), (windows, beforeMs) => {
        const recent = new RecentWindows();
        for (const { endMs, target } of windows) recent.add(windowOfOne(endMs, target));
        recent.prune((target) => (target === "a" ? beforeMs : undefined), 8_000);
        recent.prune(ALL, 8_000);
        expect(recent.of("b")).toEqual([]);
        expect(recent.bytes).toBe(bytesIn(recent, ["a", "b"]));
        expect(recent.copy().bytes).toBe(recent.bytes);
      }),
    );
  });
});
