import { NS_PER_MS } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createQuota,
  lateWaitMs,
  reportWaitMs,
  spendIndex,
  spendReport,
  spendTime,
  spendWindows,
  takeHello,
} from "./quota.ts";
import {
  BYTES_CAPACITY,
  bytesPerSecond,
  DRAIN_WINDOWS_PER_S,
  HELLO_RATE,
  LIVE_RESERVE,
  REPORT_COST_BYTES,
  REPORT_RATE,
  TIME_RATE,
  TIME_SHARE,
  WINDOW_COST_BYTES,
  WINDOW_RATE,
  windowsPerSecond,
} from "./quota-limits.ts";

const NS_PER_S = 1e9;
const MAX_REPORT_BYTES = 4 * 1024 * 1024;

/** What a node that sends as fast as it may brings in: reports of those sizes, windows and times, after those waits. */
const anySteps = fc.array(
  fc.record({
    payloadBytes: fc.integer({ min: 0, max: MAX_REPORT_BYTES }),
    windows: fc.integer({ min: 0, max: 1_024 }),
    workMs: fc.integer({ min: 0, max: 200 }),
    idleMs: fc.integer({ min: 0, max: 120_000 }),
  }),
  { minLength: 1, maxLength: 200 },
);
const anyTargets = fc.integer({ min: 0, max: 512 });

/** A report, opened, stored and judged. */
function spend(quota: ReturnType<typeof createQuota>, payloadBytes: number, windows: number, workMs = 0): void {
  spendReport(quota, payloadBytes);
  spendWindows(quota, windows);
  spendIndex(quota, windows);
  spendTime(quota, workMs * NS_PER_MS);
}

describe("a quota", () => {
  it("admits at most its capacity, its rate and one report more, whatever the request pattern", () => {
    fc.assert(
      fc.property(anySteps, anyTargets, (steps, targets) => {
        const quota = createQuota();
        let nowNs = 0;
        const sum = { bytes: 0, windows: 0, workNs: 0 };
        for (const { payloadBytes, windows, workMs, idleMs } of steps) {
          nowNs += idleMs * NS_PER_MS;
          nowNs += reportWaitMs(quota, targets, nowNs) * NS_PER_MS;
          expect(reportWaitMs(quota, targets, nowNs)).toBe(0);
          spend(quota, payloadBytes, windows, workMs);
          sum.bytes += payloadBytes + REPORT_COST_BYTES + windows * WINDOW_COST_BYTES;
          sum.windows += windows;
          sum.workNs += workMs * NS_PER_MS;
          const s = nowNs / NS_PER_S;
          const oneMore = MAX_REPORT_BYTES + REPORT_COST_BYTES + 1_024 * WINDOW_COST_BYTES;
          expect(sum.bytes).toBeLessThanOrEqual(BYTES_CAPACITY + bytesPerSecond(targets) * s + oneMore + 1);
          expect(sum.windows).toBeLessThanOrEqual(WINDOW_RATE.capacity + windowsPerSecond(targets) * s + 1_024 + 1);
          expect(sum.workNs).toBeLessThanOrEqual(TIME_RATE.capacity + TIME_SHARE * nowNs + 200 * NS_PER_MS + 1);
        }
      }),
    );
  });

  it("opens again exactly after the wait that it returns", () => {
    fc.assert(
      fc.property(anySteps, anyTargets, (steps, targets) => {
        const quota = createQuota();
        for (const { payloadBytes, windows, workMs } of steps) spend(quota, payloadBytes, windows, workMs);
        spend(quota, BYTES_CAPACITY, 0);
        const waitMs = reportWaitMs(quota, targets, 0);
        expect(waitMs).toBeGreaterThan(0);
        expect(reportWaitMs(quota, targets, (waitMs - 2) * NS_PER_MS)).toBeGreaterThan(0);
        expect(reportWaitMs(quota, targets, (waitMs + 1) * NS_PER_MS)).toBe(0);
      }),
    );
  });

  it("never holds more than its capacity, however long nothing came", () => {
    const quota = createQuota();
    expect(reportWaitMs(quota, 512, 1e18)).toBe(0);
    expect([quota.reports.left(1e18), quota.bytes.left(1e18)]).toEqual([REPORT_RATE.capacity, BYTES_CAPACITY]);
    expect([quota.windows.left(1e18), quota.time.left(1e18)]).toEqual([WINDOW_RATE.capacity, TIME_RATE.capacity]);
  });

  it.each([
    ["good", 91, 0.7],
    // Judged at its own time besides.
    ["bad", 91, 4],
    ["good", 148, 1],
  ])(
    "takes a spool of 72 h of %s windows of %i targets within the hour, and live reports beside it at once",
    (_, targets, workMs) => {
      const quota = createQuota();
      let nowNs = 0;
      for (let left = 25_920; left > 0; ) {
        // An agent sends one of them every 20 ms at most, and a live one every 10 s.
        nowNs += 20 * NS_PER_MS;
        if (lateWaitMs(quota, targets, nowNs) === 0) {
          spend(quota, targets * 150, targets, workMs);
          left -= 1;
        }
        if (nowNs % (10 * NS_PER_S) > 0) continue;
        expect(reportWaitMs(quota, targets, nowNs)).toBe(0);
        spend(quota, targets * 150, targets, 3);
      }
      expect(nowNs / NS_PER_S).toBeLessThan(3_600);
    },
  );

  it("makes late reports wait for the reserve, and live ones not yet", () => {
    const quota = createQuota();
    spendWindows(quota, WINDOW_RATE.capacity * (1 - LIVE_RESERVE));
    expect([lateWaitMs(quota, 0, 0), reportWaitMs(quota, 0, 0)]).toEqual([1, 0]);
    const other = createQuota();
    spendTime(other, TIME_RATE.capacity * (1 - LIVE_RESERVE) + NS_PER_MS);
    expect([lateWaitMs(other, 0, 0), reportWaitMs(other, 0, 0)]).toEqual([1 / TIME_SHARE + 1, 0]);
  });

  it("slows a node that sends windows or makes work without end, to the stated rates", () => {
    const windows = createQuota();
    spendWindows(windows, WINDOW_RATE.capacity + DRAIN_WINDOWS_PER_S);
    expect(reportWaitMs(windows, 0, 0)).toBe(1_001);
    const work = createQuota();
    spendTime(work, TIME_RATE.capacity + 50 * NS_PER_MS);
    expect(reportWaitMs(work, 0, 0)).toBe(1_001);
    expect(work.workNs).toBe(TIME_RATE.capacity + 50 * NS_PER_MS);
  });

  it.each([1, 20, 91, 512])("does not slow %i targets that all turn without end for a day", (targets) => {
    const quota = createQuota();
    // 101 reports in 10 s hold 16 windows of each target, of 192 bytes and their index.
    const windows = (targets * 16) / 101;
    let nowNs = 0;
    for (let at = 0; at < 86_400 * 10; at++) {
      nowNs = (at * 10 * NS_PER_S) / 101;
      const waitMs = reportWaitMs(quota, targets, nowNs);
      if (waitMs > 0) expect.fail(`had to wait ${waitMs} ms at report ${at}`);
      // And opened in 10 µs each, and judged, which takes 2 % of the time at most.
      spend(quota, 85 + windows * 192, windows, windows * 0.01 + 2);
    }
    // Nor would it on any later day.
    expect(REPORT_RATE.capacity - quota.reports.left(nowNs)).toBeLessThanOrEqual(2);
  });

  it("slows a node that only repeats the same report", () => {
    const quota = createQuota();
    let taken = 0;
    for (; reportWaitMs(quota, 91, 0) === 0; taken++) spendReport(quota, 100);
    expect(taken).toBeLessThan(REPORT_RATE.capacity);
  });

  it("admits a hello every 5 s, and as many at once as the rate allows", () => {
    const quota = createQuota();
    for (let at = 0; at < 1_000; at++) expect(takeHello(quota, at * 5 * NS_PER_S)).toBe(0);
    const nowNs = 5_000 * NS_PER_S;
    const taken = Array.from({ length: 10_000 }, () => takeHello(quota, nowNs)).filter((waitMs) => waitMs === 0);
    expect(taken).toHaveLength(HELLO_RATE.capacity);
    expect(takeHello(quota, nowNs)).toBe(1_000);
    expect(takeHello(quota, nowNs + NS_PER_S)).toBe(0);
  });
});
