import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ManualClock, manualClock, systemClock } from "@lifeline/measure";
import { MAX_REPORT_BYTES } from "@lifeline/wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { metricOf, startIn, untilMetric } from "../testing/collector-fixture.ts";
import { writeDeployment } from "../testing/deployment-fixture.ts";
import { dialAs } from "../testing/node-fixture.ts";
import { reportBytes } from "../testing/report-fixture.ts";
import { until } from "../testing/wait.ts";
import { NOTICE_EVERY_MS } from "./flow-control-notice.ts";
import { LIVE_RESERVE, WINDOW_RATE, windowsPerSecond } from "./quota-limits.ts";

let directory = "";
const closers: (() => Promise<unknown> | unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-overload-"));
  writeDeployment(directory);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true });
});

/** A quota that a test fills in a moment, bytes: eight of the largest reports leave a debt of half of one. */
const QUOTA_BYTES = 7.5 * MAX_REPORT_BYTES;

async function start(clock = systemClock, more = {}) {
  const collector = await startIn(directory, clock, [], more);
  closers.push(() => collector.stop());
  return collector;
}
function dial(port: number, nodeId = "n1") {
  const agent = dialAs(port, nodeId);
  closers.push(() => agent.close());
  return agent;
}

/** Bytes that are no report, as many as a report may have: refused at little cost, and counted like any. */
const LARGEST = new Uint8Array(MAX_REPORT_BYTES).fill(255);

/** Eight of the largest reports leave a debt of half of one, and two planned targets pay back 3,891 bytes a second. */
const DEBT_MS = (MAX_REPORT_BYTES / 2 / 3_891) * 1_000;

/**
 * Lets time pass until so many reports of an agent that is held back are acknowledged; how long that took, ms. In steps
 * of which each is seen: a stream whose answers are not taken for long is ended.
 */
async function passHeld(clock: ManualClock, agent: ReturnType<typeof dialAs>, acked: number): Promise<number> {
  let passedMs = 0;
  while (agent.acked().length < acked) {
    if (passedMs > 2 * DEBT_MS) expect.fail(`${agent.acked().length} acknowledged after ${passedMs} ms`);
    const [notices, before] = [agent.notices(), agent.acked().length];
    clock.advance(NOTICE_EVERY_MS);
    passedMs += NOTICE_EVERY_MS;
    await until(() => agent.notices() > notices || agent.acked().length > before);
  }
  return passedMs;
}

/** Lets time pass until an agent that is held back has so many notices more. */
async function passNotices(clock: ManualClock, agent: ReturnType<typeof dialAs>, count: number): Promise<void> {
  for (let passed = 0; passed < count; passed++) {
    const before = agent.notices();
    clock.advance(NOTICE_EVERY_MS);
    await until(() => agent.notices() > before);
  }
}

describe("a node over its quota", () => {
  it("waits and loses nothing; its agent is notified, metrics show it, and a new stream does not help", async () => {
    const clock = manualClock(Date.now());
    const collector = await start(clock, { quotaBytes: QUOTA_BYTES });
    const first = dial(collector.grpcPort);
    await first.hello();
    const most = Math.ceil(QUOTA_BYTES / (MAX_REPORT_BYTES + 192));
    for (let sequence = 1; sequence <= most; sequence++) await first.report(sequence, LARGEST);
    await until(() => first.refusals().length === most);
    expect(await metricOf(collector, "lifeline_collector_reports_throttled_total")).toBe(0);

    await first.report(1_001, reportBytes({ sealedAtMs: clock.wallMs() }));
    await first.report(1_002, reportBytes({ sealedAtMs: clock.wallMs() }));
    const throttled = 'lifeline_node_throttled{node="n1"}';
    await untilMetric(collector, throttled, 1);
    expect(first.notices()).toBe(0);
    for (let notices = 1; notices <= 3; notices++) {
      clock.advance(NOTICE_EVERY_MS);
      await until(() => first.notices() === notices);
    }

    const again = dial(collector.grpcPort);
    await again.hello();
    await first.ended;
    await again.report(1_001, reportBytes({ sealedAtMs: clock.wallMs() }));
    await until(() => again.plans().length === 1);
    await untilMetric(collector, throttled, 1);
    expect(again.acked()).toEqual([]);

    // By then it is late, and judged at its own time.
    expect(await passHeld(clock, again, 1)).toBeGreaterThanOrEqual(DEBT_MS - 4 * NOTICE_EVERY_MS);
    clock.advance(60_000);
    await again.report(1_002, reportBytes({ sealedAtMs: clock.wallMs() }));
    await until(() => again.acked().length === 2);
    expect(await metricOf(collector, throttled)).toBe(0);
    expect(await metricOf(collector, "lifeline_collector_reports_throttled_total")).toBe(2);
    expect(await metricOf(collector, "lifeline_collector_streams")).toBe(1);
    await collector.stop();
  });

  it("slows no other node, and its clock does not count as set back", async () => {
    const clock = manualClock(Date.now());
    const collector = await start(clock, { quotaBytes: QUOTA_BYTES });
    const hostile = dial(collector.grpcPort);
    await hostile.hello();
    await hostile.report(1, reportBytes({ sealedAtMs: clock.wallMs() }), { sentMs: clock.wallMs() });
    await until(() => hostile.acked().length === 1);
    const most = Math.ceil(QUOTA_BYTES / (MAX_REPORT_BYTES + 192));
    for (let sequence = 2; sequence <= most + 1; sequence++) await hostile.report(sequence, LARGEST);
    await hostile.report(1_001, reportBytes({ sealedAtMs: clock.wallMs() }), { sentMs: clock.wallMs() });
    await hostile.report(1_002, reportBytes({ sealedAtMs: clock.wallMs() }), { sentMs: clock.wallMs() });
    const honest = dial(collector.grpcPort, "n2");
    await honest.hello();
    await honest.report(1, reportBytes({ sealedAtMs: clock.wallMs() }));
    await until(() => honest.acked().length === 1);
    await untilMetric(collector, 'lifeline_node_throttled{node="n1"}', 1);
    await passHeld(clock, hostile, 3);
    expect(await metricOf(collector, 'lifeline_agent_clock_offset_seconds{node="n1"}')).toBe(0);
    await collector.stop();
  });
});

describe("a node that sends windows without end", () => {
  /** A report of as many windows as one may hold. */
  const full = (sealedAtMs: number) => reportBytes({ sealedAtMs, windows: 1_024 });

  it("is admitted up to its quota, then at its rate, live reports first; other nodes are not delayed", async () => {
    const clock = manualClock(Date.now());
    const collector = await start(clock);
    const greedy = dial(collector.grpcPort);
    await greedy.hello();
    const lateMs = clock.wallMs() - 600_000;
    // Half of it is late, as of a spool that is drained: those leave the reserve.
    const all = WINDOW_RATE.capacity / 1_024;
    const reserve = all * LIVE_RESERVE;
    const sending = (async () => {
      for (let sequence = 1; sequence <= all; sequence++) await greedy.report(sequence, full(lateMs));
      for (let sequence = 1_001; sequence <= 1_000 + reserve; sequence++)
        await greedy.report(sequence, full(clock.wallMs()));
    })();
    const late = () => greedy.acked().filter((sequence) => sequence <= all).length;
    const live = () => greedy.acked().length - late();
    await until(() => late() === all - reserve && live() === reserve);
    await sending;
    expect(await metricOf(collector, "lifeline_collector_reports_deferred")).toBe(reserve);
    const modest = dial(collector.grpcPort, "n2");
    await modest.hello();
    await modest.report(1, reportBytes({ sealedAtMs: clock.wallMs() }));
    await until(() => modest.acked().length === 1);
    // So many windows come back in a second; more than the reserve must have come back before a late report goes on.
    const refillMs = ((reserve * 1_024) / windowsPerSecond(2)) * 1_000;
    await passNotices(clock, greedy, Math.floor(refillMs / NOTICE_EVERY_MS));
    expect(late()).toBe(all - reserve);
    while (late() < all) {
      const before = late();
      clock.advance(NOTICE_EVERY_MS);
      await until(() => late() > before);
    }
    await collector.stop();
  });

  it("has its work in the metrics", async () => {
    const collector = await start();
    const agent = dial(collector.grpcPort);
    await agent.hello();
    await agent.report(1, full(Date.now()));
    await until(() => agent.acked().length === 1);
    expect(await metricOf(collector, 'lifeline_node_work_seconds_total{node="n1"}')).toBeGreaterThan(0);
  });
});
