/** What the store still holds after clocks were wrong: nothing is pruned before its time, and everything after it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type ManualClock, manualClock, systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSelfMetrics } from "../export/self-metrics.ts";
import type { Node } from "../fleet/node.ts";
import { openStore, type Store } from "../store/store.ts";
import { RetentionJob } from "./retention-job.ts";

const NOW_MS = Date.parse("2026-11-26T06:00:00Z");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const TWO_YEARS_MS = 730 * DAY_MS;
const IN_2040_MS = Date.parse("2040-01-01") - NOW_MS;
const RETENTION = { retentionDays: 5, minuteRetentionDays: 90, hourRetentionDays: 400 };
const BOOT = new Uint8Array(16);

/** Time between two rounds of a test, minutes: fewer than sixty an hour, and every node reports in each. */
const STEP_MINUTES = 10;

type TestNode = Pick<Node, "nodeId" | "session" | "roughClockSample">;

/** A store, a retention job, and nodes given by how far their clocks are ahead of the time it is, ms. */
class TestBed {
  readonly lines: string[] = [];
  readonly nodes = new Map<string, TestNode>();
  readonly #path: string;
  clock: ManualClock = manualClock(NOW_MS);
  #store: Store | undefined;
  #job: RetentionJob | undefined;
  #selfMetrics = createSelfMetrics();
  #aheadMs: readonly number[] = [0];
  #nodeIds: readonly string[] = ["n0"];
  #trueMs = NOW_MS;
  #sequence = 0;

  constructor(directory: string) {
    this.#path = join(directory, "collector.db");
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error("start the test bed first");
    return this.#store;
  }

  /** Starts the collector's part, by a clock so far ahead of the time it is. */
  async start(aheadMs = 0): Promise<void> {
    const silent = { onCommit() {}, onFailure() {}, onOverflow() {}, onStoreCrash() {} };
    this.#store = await openStore(this.#path, systemClock, silent);
    this.clock = manualClock(this.#trueMs + aheadMs);
    this.#selfMetrics = createSelfMetrics();
    this.nodes.clear();
    const { clock, nodes, store } = this;
    const prune = (nodeIds: Iterable<string>) => {
      for (const nodeId of nodeIds) nodes.delete(nodeId);
    };
    const log = pino({}, { write: (line: string) => void this.lines.push(String(JSON.parse(line).reason)) });
    const lastRunMs = (await store.submit("lastHourEndedMs", {})) ?? clock.wallMs();
    const others = { issuers: { prune() {} }, registry: { prune: async () => {} } };
    const own = {
      fleet: { nodes, prune },
      selfMetrics: this.#selfMetrics,
      retention: RETENTION,
      store,
      clock,
      log,
      lastRunMs,
    };
    this.#job = new RetentionJob({ ...own, ...others });
  }

  async stop(): Promise<void> {
    this.#job?.stop();
    await this.#store?.close();
    this.#store = undefined;
  }

  /** The collector is off for so long. */
  async off(ms: number): Promise<void> {
    await this.stop();
    this.#trueMs += ms;
    await this.start();
  }

  /** From now on these nodes report. */
  hear(aheadMs: readonly number[], nodeIds = aheadMs.map((_, at) => `n${at}`)): void {
    this.#aheadMs = aheadMs;
    this.#nodeIds = nodeIds;
  }

  /** A node brings a report, dated and received by the collector's clock; gives its sequence. */
  async save(nodeId = "n0"): Promise<number> {
    const nowMs = Math.round(this.clock.wallMs());
    const facts = { hostname: "h", agentVersion: "1", factsJson: "{}", seenFromJson: undefined };
    await this.store.submit("saveNode", { nodeId, ...facts, seenAtMs: nowMs, clockOffsetMs: undefined });
    const sequence = ++this.#sequence;
    const identity = { nodeId, bootId: BOOT, sequence };
    const times = { receivedAtMs: nowMs, sealedAtMs: nowMs, clockOffsetMs: undefined };
    const rest = { payload: Uint8Array.of(1), windowCount: 0, windows: [] };
    expect(await this.store.submit("saveReport", { ...identity, ...times, ...rest })).toBe("stored");
    // What waits for its roll-up is kept, however old.
    await this.store.submit("rollUp", { dueBeforeMs: Number.MAX_SAFE_INTEGER, limit: 100 });
    return sequence;
  }

  /** Time passes, with a sample of each node's clock and a round of the job every ten minutes. */
  async pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute += STEP_MINUTES) {
      this.skip(STEP_MINUTES * MINUTE_MS);
      for (const [at, aheadMs] of this.#aheadMs.entries()) {
        const roughClockSample = { sentMs: this.#trueMs + aheadMs, atNs: this.clock.monotonicNs() };
        const nodeId = this.#nodeIds[at] ?? "";
        this.nodes.set(nodeId, { nodeId, session: undefined, roughClockSample });
      }
      await this.#job?.round();
    }
  }

  /** Time passes with nothing else. */
  skip(ms: number): void {
    this.clock.advance(ms);
    this.#trueMs += ms;
  }

  async blocked(): Promise<string | undefined> {
    const { values } = await this.#selfMetrics.retentionBlocked.get();
    return values
      .filter(({ value }) => value === 1)
      .map(({ labels }) => labels.reason)[0]
      ?.toString();
  }

  async lastRunMs(): Promise<number | undefined> {
    const { values } = await this.#selfMetrics.retentionLastRun.get();
    return values[0] && Math.round(values[0].value * 1_000 - this.#trueMs);
  }

  /** The sequences of the reports that are stored. */
  stored(): number[] {
    return this.#column("SELECT sequence FROM reports ORDER BY sequence");
  }

  count(sql: string): number | undefined {
    return this.#column(sql)[0];
  }

  #column(sql: string): number[] {
    const reader = new DatabaseSync(this.#path, { readOnly: true });
    try {
      return reader
        .prepare(sql)
        .all()
        .map((row) => Number(Object.values(row)[0]));
    } finally {
      reader.close();
    }
  }
}

describe("the retention job", () => {
  let directory = "";
  let bed: TestBed;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "lifeline-retention-"));
    bed = new TestBed(directory);
    await bed.start();
  });
  afterEach(async () => {
    await bed.stop();
    rmSync(directory, { recursive: true });
  });

  /** Everything stored so far is pruned once it is old, and what is stored then stays. */
  async function expectPruningGoesOn(): Promise<void> {
    bed.skip(RETENTION.retentionDays * DAY_MS);
    const young = await bed.save();
    await bed.pass(70);
    expect(await bed.blocked()).toBeUndefined();
    expect(bed.stored()).toEqual([young]);
    expect(await bed.lastRunMs()).toBe(0);
  }

  it("prunes what is older than its retention, by at most an hour and a minute later", async () => {
    const first = await bed.save();
    await bed.pass(60);
    expect(bed.stored()).toEqual([first]);
    bed.skip(RETENTION.retentionDays * DAY_MS - 10 * MINUTE_MS);
    await bed.pass(10);
    expect(bed.stored()).toEqual([first]);
    await bed.pass(10);
    expect(bed.stored()).toEqual([]);
  });

  it("after a week off prunes nothing young, nothing without a report, and goes on when nodes report again", async () => {
    const old = await bed.save();
    await bed.pass(60);
    await bed.off(7 * DAY_MS);
    const young = await bed.save();
    bed.hear([]);
    await bed.pass(180);
    expect(await bed.blocked()).toBe("too-few-reports");
    expect(await bed.lastRunMs()).toBeLessThan(-7 * DAY_MS);
    expect(bed.stored()).toEqual([old, young]);
    bed.hear([0]);
    await bed.pass(10);
    expect(bed.stored()).toEqual([young]);
    await expectPruningGoesOn();
  });

  it.each([
    ["1970", -NOW_MS],
    ["2040", IN_2040_MS],
  ])(
    "in a collector that starts at %s prunes nothing young, and goes on when its clock is right",
    async (_, aheadMs) => {
      const first = await bed.save();
      await bed.pass(60);
      await bed.stop();
      await bed.start(aheadMs);
      const second = await bed.save();
      await bed.pass(120);
      expect(await bed.blocked()).toBe("clocks-differ");
      bed.clock.stepWall(-aheadMs);
      await bed.pass(120);
      expect(bed.stored()).toEqual([first, second]);
      await expectPruningGoesOn();
    },
  );

  describe.each([
    ["forward and back", TWO_YEARS_MS],
    ["back and forward", -TWO_YEARS_MS],
  ])("with a jump of two years %s", (_, stepMs) => {
    it.each([
      ["of the collector's clock, for three hours", 180, 0],
      ["of the collector's clock, for twenty minutes", 20, 0],
      ["of all clocks, for fifty minutes", 50, stepMs],
    ])("%s, prunes nothing young, and goes on", async (_, minutes, nodesAheadMs) => {
      const before = await bed.save();
      await bed.pass(70);
      bed.clock.stepWall(stepMs);
      bed.hear([nodesAheadMs]);
      const meanwhile = await bed.save();
      await bed.pass(minutes);
      expect(await bed.blocked()).toBe(nodesAheadMs === 0 ? "clocks-differ" : "clock-stepped");
      bed.clock.stepWall(-stepMs);
      bed.hear([0]);
      const after = await bed.save();
      await bed.pass(130);
      expect(bed.stored()).toEqual([before, meanwhile, after]);
      const reasons = nodesAheadMs === 0 ? ["clocks-differ", "clock-stepped"] : ["clock-stepped"];
      expect(bed.lines).toEqual(["starting", "undefined", ...reasons, "undefined"]);
      await expectPruningGoesOn();
    });
  });

  it.each([
    ["1970", -NOW_MS],
    ["2040", IN_2040_MS],
  ])(
    "with nodes of which one says %s goes on by the others, and without others not until it is right",
    async (_, aheadMs) => {
      const first = await bed.save();
      bed.hear([0, aheadMs, 0]);
      await bed.pass(70);
      expect([await bed.blocked(), bed.stored()]).toEqual([undefined, [first]]);
      bed.hear([aheadMs]);
      bed.skip(RETENTION.retentionDays * DAY_MS + 70 * MINUTE_MS);
      await bed.pass(120);
      expect([await bed.blocked(), bed.stored()]).toEqual(["clocks-differ", [first]]);
      bed.hear([0]);
      await bed.pass(10);
      expect(bed.stored()).toEqual([]);
      await expectPruningGoesOn();
    },
  );

  it("goes on when the store accepts writes again", async () => {
    const writer = new DatabaseSync(join(directory, "collector.db"));
    writer.exec("CREATE TRIGGER refuse BEFORE INSERT ON hours BEGIN SELECT RAISE(ABORT, 'refused'); END");
    await bed.pass(120);
    expect(await bed.lastRunMs()).toBe(-120 * MINUTE_MS);
    writer.exec("DROP TRIGGER refuse");
    writer.close();
    await bed.pass(10);
    expect(await bed.lastRunMs()).toBe(0);
  });

  it("keeps one date for each hour, as many as the longest retention has", async () => {
    await bed.pass(300);
    expect(bed.count("SELECT count(*) FROM hours")).toBe(5);
    bed.skip(RETENTION.hourRetentionDays * DAY_MS);
    await bed.pass(60);
    expect(bed.count("SELECT count(*) FROM hours")).toBe(2);
  });

  it("takes a node that was silent for the whole retention out of the fleet, and out of the store when nothing of it is left", async () => {
    await bed.save("gone");
    await bed.save("here");
    bed.hear([0, 0], ["here", "gone"]);
    await bed.pass(70);
    bed.hear([0], ["here"]);
    bed.skip(RETENTION.retentionDays * DAY_MS);
    await bed.save("here");
    await bed.pass(10);
    expect([...bed.nodes.keys()]).toEqual(["here"]);
    bed.skip(RETENTION.hourRetentionDays * DAY_MS);
    await bed.pass(60);
    await bed.save("here");
    expect((await bed.store.submit("listNodes", { limit: 9 })).map(({ nodeId }) => nodeId)).toEqual(["here"]);
  });
});
