/** What a collector takes up from its store when its clock is wrong, or when a node that was pruned comes back. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type ManualClock, manualClock } from "@lifeline/measure";
import { NO_IMPACT } from "@lifeline/verdict";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Collector } from "../collector.ts";
import { openStore, type Store } from "../store/store.ts";
import { metricOf, startIn } from "../testing/collector-fixture.ts";
import { TARGET, writeDeployment } from "../testing/deployment-fixture.ts";
import { dialAs } from "../testing/node-fixture.ts";
import { reportBytes } from "../testing/report-fixture.ts";
import { until } from "../testing/wait.ts";

const NOW_MS = Date.parse("2026-11-26T06:00:00Z");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LAST_SEEN = 'lifeline_agent_last_seen_timestamp_seconds{node="n1"}';
const LAST_RUN = "lifeline_collector_retention_last_run_timestamp_seconds";

describe("a collector", () => {
  let directory = "";
  let clock: ManualClock;
  const closers: (() => Promise<void> | void)[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lifeline-retention-restart-"));
    writeDeployment(directory);
    clock = manualClock(NOW_MS);
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    rmSync(directory, { recursive: true });
  });

  async function start(): Promise<Collector> {
    const collector = await startIn(directory, clock);
    closers.push(() => collector.stop());
    return collector;
  }
  /** A node says Hello, with what its clock reads, and reports once. */
  async function report({ grpcPort }: Collector, sequence: number) {
    const agent = dialAs(grpcPort, "n1");
    closers.push(() => agent.close());
    await agent.hello({ sentUnixMs: BigInt(NOW_MS) });
    await until(() => agent.plans().length === 1);
    await agent.report(sequence, reportBytes({ sealedAtMs: NOW_MS }), { sentMs: NOW_MS });
    await until(() => agent.acked().includes(sequence));
  }
  /** Writes to the store of a collector that is stopped. */
  async function write(change: (store: Store) => Promise<unknown>): Promise<void> {
    const silent = { onCommit() {}, onFailure() {}, onOverflow() {}, onStoreCrash() {} };
    const store = await openStore(join(directory, "data", "collector.db"), clock, silent);
    await change(store);
    await store.close();
  }

  it("shows how far its clock is from its nodes', by a Hello as well, and why nothing is pruned", async () => {
    clock.stepWall(40 * DAY_MS);
    const collector = await start();
    const blocked = (reason: string) => metricOf(collector, `lifeline_collector_retention_blocked{reason="${reason}"}`);
    expect([await blocked("starting"), await blocked("clocks-differ")]).toEqual([1, 0]);
    const agent = dialAs(collector.grpcPort, "n1");
    closers.push(() => agent.close());
    await agent.hello({ sentUnixMs: BigInt(NOW_MS) });
    await until(() => agent.plans().length === 1);
    clock.advance(MINUTE_MS);
    expect([await blocked("starting"), await blocked("clocks-differ")]).toEqual([0, 1]);
    expect(await metricOf(collector, "lifeline_collector_clock_offset_seconds")).toBe((-40 * DAY_MS) / 1_000);
  });

  it("that starts 40 days ahead, and again, knows the nodes that it knew, and when it pruned last", async () => {
    const first = await start();
    await report(first, 1);
    await first.stop();
    await write((store) => store.submit("closeHour", { endedMs: NOW_MS, keepFromMs: 0 }));
    clock.stepWall(40 * DAY_MS);
    for (const nth of ["first", "second"]) {
      const collector = await start();
      expect(await metricOf(collector, LAST_SEEN), nth).toBe(NOW_MS / 1_000);
      expect(await metricOf(collector, LAST_RUN), nth).toBe(NOW_MS / 1_000);
      await collector.stop();
    }
  });

  it("ends an incident of a node that was pruned meanwhile, when the node comes back", async () => {
    const first = await start();
    await report(first, 1);
    await first.stop();
    await write(async (store) => {
      const open = { requirementId: "api-tcp", targetId: TARGET, verdict: "unmet", cause: "refused" };
      const found = { evidence: "e", nextStep: "s", changesJson: "[]", droppedChanges: 0, impact: NO_IMPACT };
      const times = { startedAtMs: NOW_MS, endedAtMs: undefined };
      await store.submit("saveIncident", { nodeId: "n1", ...open, ...found, ...times });
      await store.submit("closeHour", { endedMs: NOW_MS, keepFromMs: 0 });
      await store.submit("closeHour", { endedMs: NOW_MS + 31 * DAY_MS, keepFromMs: 0 });
    });
    const second = await start();
    expect(await metricOf(second, LAST_SEEN)).toBe(0);
    await report(second, 2);
    const reader = new DatabaseSync(join(directory, "data", "collector.db"), { readOnly: true });
    closers.push(() => reader.close());
    const count = (what: string) => Number(reader.prepare(`SELECT count(${what}) AS n FROM incidents`).get()?.n);
    await until(() => {
      // The judge's turn comes by the clock.
      clock.advance(1_000);
      return count("ended_ms") === 1;
    });
    expect(count("*")).toBe(1);
  });
});
