import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { manualClock, systemClock } from "@lifeline/measure";
import { MAX_REPORT_BYTES } from "@lifeline/wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NOTICE_EVERY_MS } from "./held-notice.ts";
import { dialAs, metricOf, reportBytes, startIn, until, writeSite } from "./testing/site.ts";

let directory = "";
const closers: (() => Promise<unknown> | unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-overload-"));
  writeSite(directory);
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

describe("a node over its quota", () => {
  it("waits without a word lost, is told so, is shown, and gains nothing by coming again", async () => {
    const clock = manualClock(Date.now());
    const collector = await start(clock, { quotaBytes: QUOTA_BYTES });
    const first = dial(collector.grpcPort);
    await first.hello();
    const most = Math.ceil(QUOTA_BYTES / (MAX_REPORT_BYTES + 192));
    for (let sequence = 1; sequence <= most; sequence++) await first.report(sequence, LARGEST);
    await until(() => first.refusals().length === most);
    expect(await metricOf(collector, "lifeline_collector_throttled_reports_total")).toBe(0);

    await first.report(1_001, reportBytes({ sealedAtMs: clock.wallMs() }));
    await first.report(1_002, reportBytes({ sealedAtMs: clock.wallMs() }));
    const throttled = 'lifeline_node_throttled{node="n1"}';
    for (let tries = 0; tries < 200 && (await metricOf(collector, throttled)) === 0; tries++) await sleep(5);
    expect(await metricOf(collector, throttled)).toBe(1);
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
    for (let tries = 0; tries < 200 && (await metricOf(collector, throttled)) === 0; tries++) await sleep(5);
    expect(again.acked()).toEqual([]);

    // The debt is one of the largest reports, and two planned targets pay back 3,891 bytes a second.
    clock.advance(Math.ceil(MAX_REPORT_BYTES / 3_891) * 1_000);
    // By now it is late, and judged at its own time when the judge's comes.
    await until(() => {
      clock.advance(30);
      return again.acked().length === 1;
    });
    clock.advance(60_000);
    await again.report(1_002, reportBytes({ sealedAtMs: clock.wallMs() }));
    await until(() => again.acked().length === 2);
    expect(await metricOf(collector, throttled)).toBe(0);
    expect(await metricOf(collector, "lifeline_collector_throttled_reports_total")).toBe(2);
    expect(await metricOf(collector, "lifeline_collector_streams")).toBe(1);
    await collector.stop();
  });

  it("slows no other node, and its clock is not taken for one that was set back", async () => {
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
    for (let tries = 0; tries < 2_000; tries++) {
      if ((await metricOf(collector, 'lifeline_node_throttled{node="n1"}')) === 1) break;
      await sleep(5);
    }
    clock.advance(Math.ceil(MAX_REPORT_BYTES / 3_891) * 1_000 + 10_000);
    await until(() => {
      clock.advance(30);
      return hostile.acked().length === 3;
    });
    expect(await metricOf(collector, 'lifeline_agent_clock_offset_seconds{node="n1"}')).toBe(0);
    await collector.stop();
  });
});

describe("a collector whose store is behind", () => {
  it("lets late reports wait and live ones pass, on the same stream, and loses neither", async () => {
    const collector = await start();
    const agent = dial(collector.grpcPort);
    await agent.hello();
    await agent.report(1, reportBytes({ sealedAtMs: Date.now() }));
    await until(() => agent.acked().length === 1);
    const locker = new DatabaseSync(join(directory, "data", "collector.db"));
    closers.push(() => locker.close());
    locker.exec("BEGIN IMMEDIATE");
    // Some 1 MiB each: the first goes to the store's thread, 33 more are half of what may wait for it.
    const large = reportBytes({ sealedAtMs: Date.now(), windows: 1_024, evidenceChars: 256 });
    const many = Math.ceil((34 * 1024 * 1024) / large.length) + 1;
    expect(many).toBeLessThan(60);
    for (let sequence = 2; sequence < 2 + many; sequence++) await agent.report(sequence, large);
    const lateMs = Date.now() - 600_000;
    for (const sequence of [101, 102, 103]) await agent.report(sequence, reportBytes({ sealedAtMs: lateMs }));
    await agent.report(200, reportBytes({ sealedAtMs: Date.now() }));
    const waiting = "lifeline_collector_deferred_reports_waiting";
    for (let tries = 0; tries < 400 && (await metricOf(collector, waiting)) < 3; tries++) await sleep(5);
    expect(await metricOf(collector, waiting)).toBe(3);
    expect(agent.acked()).toEqual([1]);
    locker.exec("ROLLBACK");
    await until(() => agent.acked().length === many + 5);
    const acked = agent.acked();
    expect(acked.indexOf(200)).toBeLessThan(acked.indexOf(101));
    expect(acked.filter((sequence) => sequence > 100 && sequence < 200)).toEqual([101, 102, 103]);
    expect(await metricOf(collector, waiting)).toBe(0);
    expect(await metricOf(collector, "lifeline_collector_deferred_reports_total")).toBe(3);
    expect(await metricOf(collector, "lifeline_collector_streams")).toBe(1);
  });

  it("forgets what waited for a stream that has ended", async () => {
    const collector = await start();
    const agent = dial(collector.grpcPort);
    await agent.hello();
    const locker = new DatabaseSync(join(directory, "data", "collector.db"));
    closers.push(() => locker.close());
    await until(() => agent.plans().length === 1);
    locker.exec("BEGIN IMMEDIATE");
    const large = reportBytes({ sealedAtMs: Date.now(), windows: 1_024, evidenceChars: 256 });
    const many = Math.ceil((34 * 1024 * 1024) / large.length) + 1;
    for (let sequence = 2; sequence < 2 + many; sequence++) await agent.report(sequence, large);
    await agent.report(101, reportBytes({ sealedAtMs: Date.now() - 600_000 }));
    const waiting = "lifeline_collector_deferred_reports_waiting";
    for (let tries = 0; tries < 400 && (await metricOf(collector, waiting)) < 1; tries++) await sleep(5);
    expect(await metricOf(collector, waiting)).toBe(1);
    agent.call.cancel();
    for (let tries = 0; tries < 400 && (await metricOf(collector, waiting)) > 0; tries++) await sleep(5);
    expect(await metricOf(collector, waiting)).toBe(0);
    locker.exec("ROLLBACK");
    const streams = "lifeline_collector_streams";
    for (let tries = 0; tries < 400 && (await metricOf(collector, streams)) > 0; tries++) await sleep(5);
    expect(await metricOf(collector, streams)).toBe(0);
  });
});
