import { NS_PER_MS } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BYTES_CAPACITY,
  bytesPerSecond,
  createQuota,
  HELLO_ALLOWANCE,
  REPORT_ALLOWANCE,
  REPORT_COST_BYTES,
  reportWaitMs,
  spendReport,
  spendWindows,
  takeHello,
  WINDOW_COST_BYTES,
} from "./quota.ts";

const NS_PER_S = 1e9;
const MAX_REPORT_BYTES = 4 * 1024 * 1024;

/** What a node that sends as fast as it may brings in: reports of those sizes and windows, after those waits. */
const anySteps = fc.array(
  fc.record({
    payloadBytes: fc.integer({ min: 0, max: MAX_REPORT_BYTES }),
    windows: fc.integer({ min: 0, max: 1_024 }),
    idleMs: fc.integer({ min: 0, max: 120_000 }),
  }),
  { minLength: 1, maxLength: 200 },
);
const anyTargets = fc.integer({ min: 0, max: 512 });

describe("a quota", () => {
  it("lets in at most its capacity, its rate and one report more, however it is asked", () => {
    fc.assert(
      fc.property(anySteps, anyTargets, (steps, targets) => {
        const quota = createQuota();
        let nowNs = 0;
        let bytes = 0;
        for (const { payloadBytes, windows, idleMs } of steps) {
          nowNs += idleMs * NS_PER_MS;
          if (reportWaitMs(quota, targets, nowNs) > 0) continue;
          spendReport(quota, payloadBytes);
          spendWindows(quota, windows);
          bytes += payloadBytes + REPORT_COST_BYTES + windows * WINDOW_COST_BYTES;
          const oneMore = MAX_REPORT_BYTES + REPORT_COST_BYTES + 1_024 * WINDOW_COST_BYTES;
          expect(bytes).toBeLessThanOrEqual(
            BYTES_CAPACITY + (bytesPerSecond(targets) * nowNs) / NS_PER_S + oneMore + 1,
          );
        }
      }),
    );
  });

  it("is open again after the wait it tells, and not a millisecond before", () => {
    fc.assert(
      fc.property(anySteps, anyTargets, (steps, targets) => {
        const quota = createQuota();
        for (const { payloadBytes, windows } of [...steps, { payloadBytes: BYTES_CAPACITY, windows: 0 }]) {
          spendReport(quota, payloadBytes);
          spendWindows(quota, windows);
        }
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
    expect([quota.reports.left, quota.bytes.left]).toEqual([REPORT_ALLOWANCE.capacity, BYTES_CAPACITY]);
  });

  it("does not slow a whole spool of 64 MiB in 65,536 reports at 50/s, with live reports between them", () => {
    const quota = createQuota();
    const targets = 20;
    // Of 1,024 bytes: six windows of 151 bytes.
    for (let at = 0; at < 65_536; at++) {
      const nowNs = (at / 50) * NS_PER_S;
      expect(reportWaitMs(quota, targets, nowNs)).toBe(0);
      spendReport(quota, 1_024);
      spendWindows(quota, 6);
      if (at % 500 === 0) spendReport(quota, 4_096);
    }
  });

  it.each([1, 20, 91, 512])("does not slow %i targets that all turn without end for a day", (targets) => {
    const quota = createQuota();
    // 101 reports in 10 s hold 16 windows of each target, of 192 bytes and their index.
    const windows = (targets * 16) / 101;
    for (let at = 0; at < 86_400 * 10; at++) {
      const waitMs = reportWaitMs(quota, targets, (at * 10 * NS_PER_S) / 101);
      if (waitMs > 0) expect.fail(`had to wait ${waitMs} ms at report ${at}`);
      spendReport(quota, 85 + windows * 192);
      spendWindows(quota, windows);
    }
    // Nor would it on any later day.
    expect(REPORT_ALLOWANCE.capacity - quota.reports.left).toBeLessThanOrEqual(2);
  });

  it("slows who only ever sends again the same report", () => {
    const quota = createQuota();
    let taken = 0;
    for (; reportWaitMs(quota, 91, 0) === 0; taken++) spendReport(quota, 100);
    expect(taken).toBe(REPORT_ALLOWANCE.capacity);
  });

  it("takes hellos of an agent that has something to say every 5 s, and not those in a row", () => {
    const quota = createQuota();
    for (let at = 0; at < 1_000; at++) expect(takeHello(quota, at * 5 * NS_PER_S)).toBe(0);
    const nowNs = 5_000 * NS_PER_S;
    const taken = Array.from({ length: 10_000 }, () => takeHello(quota, nowNs)).filter((waitMs) => waitMs === 0);
    expect(taken).toHaveLength(HELLO_ALLOWANCE.capacity);
    expect(takeHello(quota, nowNs)).toBe(1_000);
    expect(takeHello(quota, nowNs + NS_PER_S)).toBe(0);
  });
});
