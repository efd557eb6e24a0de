/** What a collector still knows after clocks were wrong: nothing is forgotten before its time, and everything after it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type ManualClock, manualClock } from "@lifeline/measure";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Collector } from "../collector.ts";
import { openStore } from "../store/store.ts";
import { metricOf, startIn } from "../testing/collector-fixture.ts";
import { TARGET, writeDeployment } from "../testing/deployment-fixture.ts";
import { dialAs } from "../testing/node-fixture.ts";
import { reportBytes } from "../testing/report-fixture.ts";
import { until } from "../testing/wait.ts";

const NOW_MS = Date.parse("2026-11-26T06:00:00Z");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SILENT = { onCommit() {}, onFailure() {}, onOverflow() {}, onDeath() {} };

describe("a collector", () => {
  let directory = "";
  let clock: ManualClock;
  let collector: Collector;
  let agent: ReturnType<typeof dialAs>;
  let sequence = 0;
  /** How far the node's clock is ahead of what time it is. */
  let nodeAheadMs = 0;
  let trueMs = 0;
  const nodeNowMs = () => Math.round(trueMs + nodeAheadMs);

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "lifeline-forgetting-"));
    writeDeployment(directory);
    clock = manualClock(NOW_MS);
    [sequence, nodeAheadMs, trueMs] = [0, 0, NOW_MS];
    await start();
  });
  afterEach(async () => {
    agent.close();
    await collector.stop();
    rmSync(directory, { recursive: true });
  });

  async function start(): Promise<void> {
    collector = await startIn(directory, clock);
    agent = dialAs(collector.grpcPort, "n1");
    await agent.hello({ sentUnixMs: BigInt(nodeNowMs()) });
    await until(() => agent.plans().length === 1);
  }
  async function report(): Promise<number> {
    sequence++;
    await agent.report(sequence, reportBytes({ sealedAtMs: nodeNowMs() }), { sentMs: nodeNowMs() });
    await until(() => agent.acked().includes(sequence));
    return sequence;
  }
  /** Time goes by, minute by minute; the node reports in each. */
  async function pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      clock.advance(MINUTE_MS);
      trueMs += MINUTE_MS;
      await report();
      // The round that the minute began ends in the store's thread: it is asked before the next minute.
      expect((await fetch(`http://127.0.0.1:${collector.httpPort}/readyz`)).status).toBe(200);
    }
  }
  function stored(sql: string, ...values: number[]): number {
    const reader = new DatabaseSync(join(directory, "data", "collector.db"), { readOnly: true });
    try {
      return Number(Object.values(reader.prepare(sql).get(...values) ?? {})[0]);
    } finally {
      reader.close();
    }
  }
  const isStored = (sequence: number) => stored("SELECT count(*) FROM reports WHERE sequence = ?", sequence) === 1;
  const stepAll = (ms: number) => {
    clock.stepWall(ms);
    nodeAheadMs += ms;
  };
  /** How many days what time it surely is differs from what it is; rounds may be a minute or two apart. */
  const forgettingDays = async () => {
    const seconds = await metricOf(collector, "lifeline_collector_forgetting_timestamp_seconds");
    return Math.round((seconds * 1_000 - trueMs) / DAY_MS) + 0;
  };

  it("whose clock is 40 days ahead, for however long, forgets nothing before its time", async () => {
    const first = await report();
    await pass(70);
    expect(await forgettingDays()).toBe(0);
    clock.stepWall(40 * DAY_MS);
    await pass(130);
    expect(await forgettingDays()).toBe(0);
    expect(await metricOf(collector, "lifeline_collector_clock_offset_seconds")).toBe((-40 * DAY_MS) / 1_000);
    clock.stepWall(-40 * DAY_MS);
    await pass(70);
    expect(isStored(first)).toBe(true);
    // One for each hour of 270 minutes, but for the first, and the one of the start.
    expect(stored("SELECT count(*) FROM moments")).toBe(4 + 1);
  });

  it("keeps what is there at its first start with moments as if it came then", async () => {
    const first = await report();
    agent.close();
    await collector.stop();
    const writer = new DatabaseSync(join(directory, "data", "collector.db"));
    writer.exec("DELETE FROM moments");
    writer.close();
    await start();
    await pass(70);
    expect(isStored(first)).toBe(true);
    stepAll(31 * DAY_MS);
    await pass(70);
    expect(isStored(first)).toBe(false);
    // The moments that roll-ups go by stay.
    stepAll(100 * DAY_MS);
    await pass(130);
    expect(stored("SELECT count(*) FROM moments")).toBe(1 + 4);
  });

  it("whose store refuses goes on with forgetting when that takes it again", async () => {
    const writer = new DatabaseSync(join(directory, "data", "collector.db"));
    writer.exec("CREATE TRIGGER refuse BEFORE INSERT ON moments BEGIN SELECT RAISE(ABORT, 'refused'); END");
    await pass(70);
    const behindMs = async () =>
      trueMs - 1_000 * (await metricOf(collector, "lifeline_collector_forgetting_timestamp_seconds"));
    expect(await behindMs()).toBeGreaterThanOrEqual(70 * MINUTE_MS);
    writer.exec("DROP TRIGGER refuse");
    writer.close();
    await pass(5);
    expect(await behindMs()).toBeLessThanOrEqual(3 * MINUTE_MS);
  });

  it("with all its fleet 40 days ahead for less than an hour forgets nothing; for longer, what is old by then", async () => {
    const gone = dialAs(collector.grpcPort, "n2");
    await gone.hello();
    await gone.report(9_999, reportBytes({ sealedAtMs: trueMs }));
    await until(() => gone.acked().length === 1);
    gone.close();
    const first = await report();
    await pass(70);
    stepAll(40 * DAY_MS);
    await pass(55);
    expect(await forgettingDays()).toBe(0);
    stepAll(-40 * DAY_MS);
    await pass(70);
    expect(isStored(first)).toBe(true);
    const lastSeen = 'lifeline_agent_last_seen_timestamp_seconds{node="n2"}';
    expect(await metricOf(collector, lastSeen)).toBe(NOW_MS / 1_000);
    stepAll(40 * DAY_MS);
    await pass(70);
    expect(isStored(first)).toBe(false);
    expect(await metricOf(collector, lastSeen)).toBe(0);
    expect(stored("SELECT count(*) FROM nodes")).toBe(2);
    expect(isStored(sequence)).toBe(true);
  });

  it.each([
    ["alone", () => clock.stepWall(-40 * DAY_MS), () => clock.stepWall(40 * DAY_MS)],
    ["with all its fleet", () => stepAll(-40 * DAY_MS), () => stepAll(40 * DAY_MS)],
  ])(
    "whose clock was 40 days behind, %s, keeps as long as any what came then, and counts it once",
    async (_, back, forth) => {
      await pass(70);
      back();
      const first = await report();
      const bytes = reportBytes({ sealedAtMs: nodeNowMs() });
      await pass(30);
      forth();
      await pass(130);
      expect(isStored(first)).toBe(true);
      await agent.report(first, bytes, { sentMs: nodeNowMs() });
      // It is of the past, and acknowledged when that was judged, in the minute after it came.
      await pass(2);
      await until(() => agent.acked().filter((acked) => acked === first).length === 2);
      expect(await metricOf(collector, 'lifeline_collector_reports_total{result="stored"}')).toBe(sequence);
      stepAll(31 * DAY_MS);
      await pass(130);
      expect(isStored(first)).toBe(false);
    },
  );

  it("is told what time it is by a Hello as well", async () => {
    clock.stepWall(40 * DAY_MS);
    clock.advance(MINUTE_MS);
    const offset = () => metricOf(collector, "lifeline_collector_clock_offset_seconds");
    expect(await offset()).toBe((-40 * DAY_MS) / 1_000);
  });

  it("whose clock was ten years ahead forgets in time what came then", async () => {
    await pass(70);
    clock.stepWall(3_650 * DAY_MS);
    const first = await report();
    await pass(5);
    clock.stepWall(-3_650 * DAY_MS);
    await pass(130);
    stepAll(31 * DAY_MS);
    await pass(70);
    expect([isStored(first), isStored(sequence)]).toEqual([false, true]);
    expect(await metricOf(collector, 'lifeline_agent_last_seen_timestamp_seconds{node="n1"}')).toBe(
      clock.wallMs() / 1_000,
    );
  });

  it("that starts with its clock 40 days ahead knows the nodes that it knew, and where it was with forgetting", async () => {
    await pass(66);
    agent.close();
    await collector.stop();
    clock.stepWall(40 * DAY_MS);
    for (const start of [1, 2]) {
      collector = await startIn(directory, clock);
      expect(await metricOf(collector, 'lifeline_agent_last_seen_timestamp_seconds{node="n1"}'), `start ${start}`).toBe(
        trueMs / 1_000,
      );
      expect(await forgettingDays()).toBe(0);
      if (start === 1) await collector.stop();
    }
  });

  it("ends an incident of a node that it had forgotten meanwhile, when that comes again", async () => {
    await report();
    agent.close();
    await collector.stop();
    const store = await openStore(join(directory, "data", "collector.db"), clock, SILENT);
    const open = {
      requirementId: "api-tcp",
      targetId: TARGET,
      verdict: "unmet",
      cause: "refused",
      startedAtMs: NOW_MS,
    };
    const told = { evidence: "e", nextStep: "s", endedAtMs: undefined, changesJson: "[]", droppedChanges: 0 };
    await store.submit("saveIncident", { nodeId: "n1", ...open, ...told });
    for (const atMs of [NOW_MS, NOW_MS + 31 * DAY_MS]) {
      const mark = await store.submit("nextMoment", {});
      await store.submit("noteMoment", { mark, earliestMs: atMs, latestMs: atMs, tellsFromMs: 0 });
    }
    await store.close();
    collector = await startIn(directory, clock);
    expect(await metricOf(collector, 'lifeline_agent_last_seen_timestamp_seconds{node="n1"}')).toBe(0);
    agent = dialAs(collector.grpcPort, "n1");
    await agent.hello({ sentUnixMs: BigInt(nodeNowMs()) });
    await until(() => agent.plans().length === 1);
    await pass(3);
    await until(() => {
      clock.advance(30);
      return stored("SELECT count(*) FROM incidents WHERE ended_ms IS NULL") === 0;
    });
    expect(stored("SELECT count(*) FROM incidents")).toBe(1);
  });
});
