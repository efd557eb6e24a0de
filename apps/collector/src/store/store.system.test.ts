import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "@lifeline/measure";
import { NO_IMPACT } from "@lifeline/verdict";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IncidentRecord, ReportRecord } from "./record.ts";
import { openStore, type Store, StoreError } from "./store.ts";

let directory = "";
let path = "";
const stores: Store[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-store-"));
  path = join(directory, "collector.db");
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

async function open(log: string[] = []): Promise<Store> {
  const store = await openStore(path, systemClock, {
    onCommit: (_, operations) => log.push(`commit ${operations}`),
    onFailure: (code) => log.push(`failure ${code}`),
    onOverflow: () => log.push("overflow"),
    onStoreCrash: ({ message }) => log.push(`crash ${message}`),
  });
  stores.push(store);
  return store;
}

const NODE = {
  nodeId: "n1",
  hostname: "h",
  agentVersion: "1",
  factsJson: "{}",
  seenFromJson: undefined,
  seenAtMs: 1_000,
  clockOffsetMs: undefined,
};
const ROLL_UP_ALL = { dueBeforeMs: Number.MAX_SAFE_INTEGER, limit: 100 };
const KEEP_ROLLUPS = { minuteBeforeMs: 0, hourBeforeMs: 0 };
const closeHour = (store: Store, endedMs: number, keepFromMs = 0) => store.submit("closeHour", { endedMs, keepFromMs });
const BOOT = new Uint8Array(16).fill(7);
const report = (sequence: number, more: Partial<ReportRecord> = {}): ReportRecord => ({
  nodeId: "n1",
  bootId: BOOT,
  sequence,
  receivedAtMs: 1_000 + sequence,
  sealedAtMs: 900 + sequence,
  clockOffsetMs: sequence,
  payload: Uint8Array.of(sequence),
  windowCount: 1,
  windows: [{ targetId: "t", position: 0, startMs: sequence * 10, endMs: sequence * 10 + 10 }],
  ...more,
});
const incident = (startedAtMs: number, more: Partial<IncidentRecord> = {}): IncidentRecord => ({
  nodeId: "n1",
  requirementId: "r",
  targetId: "t",
  verdict: "unmet",
  cause: "refused",
  evidence: "e",
  nextStep: "s",
  startedAtMs,
  endedAtMs: undefined,
  changesJson: "[]",
  droppedChanges: 0,
  impact: NO_IMPACT,
  ...more,
});

const ALL_INCIDENTS = { nodeId: "", openOnly: false, sinceMs: 0, limit: 9, after: undefined };

/** The first column of what the database answers. */
function numbers(sql: string): unknown[] {
  const reader = new DatabaseSync(path, { readOnly: true });
  try {
    return reader
      .prepare(sql)
      .all()
      .map((row) => Object.values(row)[0]);
  } finally {
    reader.close();
  }
}

describe("the store", () => {
  it("answers only what another reader of the file can already see (U1)", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    expect(await store.submit("saveReport", report(1))).toBe("stored");
    expect(await store.submit("listNodes", { limit: 1 })).toMatchObject([{ clockOffsetMs: 1 }]);
    const reader = new DatabaseSync(path, { readOnly: true });
    expect(reader.prepare("SELECT sequence, payload FROM reports").all()).toMatchObject([{ sequence: 1 }]);
    expect(reader.prepare("SELECT start_ms, end_ms FROM windows").all()).toMatchObject([{ start_ms: 10, end_ms: 20 }]);
    reader.close();
  });

  it("counts a report once under (node, boot, sequence), and how often it came again", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    const results = [1, 3, 3, 1].map((sequence) => store.submit("saveReport", report(sequence)));
    expect(await Promise.all(results)).toEqual(["stored", "stored", "duplicate", "duplicate"]);
    expect(await store.submit("listBoots", { nodeId: "n1", limit: 10 })).toEqual([
      { bootId: BOOT, firstSequence: 1, lastSequence: 3, reports: 2, windows: 2, duplicates: 2 },
    ]);
  });

  it("commits together what arrives together", async () => {
    const log: string[] = [];
    const store = await open(log);
    await store.submit("saveNode", NODE);
    await Promise.all(Array.from({ length: 500 }, (_, at) => store.submit("saveReport", report(at + 1))));
    expect(log).toEqual(["commit 1", "commit 500"]);
  });

  it("undoes the whole batch when one operation fails, and goes on", async () => {
    const log: string[] = [];
    const store = await open(log);
    await store.submit("saveNode", NODE);
    const bad = { ...report(2), sequence: null as never };
    const both = [store.submit("saveReport", report(1)), store.submit("saveReport", bad)];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(log.at(-1)).toMatch(/^failure sqlite-/);
    expect(await store.submit("listBoots", { nodeId: "n1", limit: 1 })).toEqual([]);
  });

  it("refuses at once what does not fit in its queue, and counts it (S2)", async () => {
    const log: string[] = [];
    const store = await open(log);
    await store.submit("saveNode", NODE);
    const payload = new Uint8Array(17 * 1024 * 1024);
    const results = await Promise.allSettled(
      [1, 2, 3, 4].map((at) => store.submit("saveReport", report(at, { payload }))),
    );
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
    expect(results[3]).toMatchObject({ reason: { code: "queue-full" } });
    expect(log).toContain("overflow");
  });

  it("keeps room for small payloads beside large ones, and signals when there is more", async () => {
    const log: string[] = [];
    const store = await open(log);
    await store.submit("saveNode", NODE);
    const payload = new Uint8Array(4 * 1024 * 1024);
    const saving: Promise<unknown>[] = [];
    // Within one turn nothing leaves the queue, so three quarters of 64 MiB fill up.
    while (store.room(payload.length) === undefined) {
      saving.push(store.submit("saveReport", report(saving.length + 1, { payload })));
    }
    expect(saving).toHaveLength(12);
    expect(store.room(100_000)).toBeUndefined();
    await store.room(payload.length);
    expect(await Promise.all(saving)).toEqual(Array(12).fill("stored"));
    expect(store.room(payload.length)).toBeUndefined();
    // The caller counts its waits, because one report may wait more than once.
    expect(log).not.toContain("overflow");
  });

  it("commits a node with few rows before nodes with many", async () => {
    const store = await open();
    for (const nodeId of ["n1", "n2"]) await store.submit("saveNode", { ...NODE, nodeId });
    const windows = Array.from({ length: 1_024 }, (_, at) => ({
      targetId: `t${at}`,
      position: at,
      startMs: 1,
      endMs: 2,
    }));
    const order: string[] = [];
    const save = (nodeId: string, sequence: number) =>
      store.submit("saveReport", report(sequence, { nodeId, windows })).then(() => order.push(nodeId));
    const greedy = Array.from({ length: 12 }, (_, at) => save("n1", at + 1));
    await greedy[0];
    await Promise.all([
      ...greedy,
      store.submit("saveReport", report(1, { nodeId: "n2" })).then(() => order.push("n2")),
    ]);
    // It is in the batch after the one under way.
    expect(order.indexOf("n2")).toBeLessThan(8);
  });

  it("keeps everything across a reopening, and refuses an unknown schema", async () => {
    const first = await open();
    await first.submit("saveNode", NODE);
    const fault = { cause: "dns-drift", onsetMs: 7, evidence: "e", nextStep: "s" };
    const verdicts = [
      { rowKey: "k", verdict: "met", sinceMs: 5, fault: undefined },
      { rowKey: "l", verdict: "unmet", sinceMs: 6, fault },
    ];
    await first.submit("saveVerdicts", { nodeId: "n1", verdicts });
    await first.close();
    const second = await open();
    expect(await second.submit("listNodes", { limit: 9 })).toMatchObject([
      { nodeId: "n1", firstSeenMs: 1_000, lastReportMs: undefined },
    ]);
    expect(await second.submit("listVerdicts", { nodeId: "n1" })).toEqual(verdicts);
    await second.close();
    const writer = new DatabaseSync(path);
    writer.exec("INSERT INTO schema_version VALUES (99)");
    writer.close();
    await expect(open()).rejects.toMatchObject({ code: "newer-schema" });
  });

  it("prunes by age, a bounded number at a time, and never what is open", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    await store.submit("saveIncident", incident(1, { endedAtMs: 2 }));
    await store.submit("saveIncident", incident(3));
    for (let sequence = 1; sequence <= 4; sequence++) await store.submit("saveReport", report(sequence));
    await store.submit("rollUp", ROLL_UP_ALL);
    await closeHour(store, 5_005);
    await store.submit("saveReport", report(5));
    await store.submit("rollUp", ROLL_UP_ALL);
    const prune = (beforeMs: number) => store.submit("prune", { ...KEEP_ROLLUPS, beforeMs, reports: 3 });
    expect(await prune(5_004)).toBe(0);
    expect([await prune(5_005), await prune(5_005), await prune(5_005)]).toEqual([3 + 3 + 1, 1 + 1, 0]);
    const targets = [{ targetId: "t", endedAfterMs: 0 }];
    const left = await store.submit("recentReports", {
      nodeId: "n1",
      targets,
      endedByMs: Number.MAX_SAFE_INTEGER,
      limit: 9,
    });
    expect(await store.submit("readReports", { reports: left })).toMatchObject([{ receivedAtMs: 1_005 }]);
    expect(await store.submit("listIncidents", ALL_INCIDENTS)).toMatchObject([{ startedAtMs: 3 }]);
  });

  it("prunes by the order in which reports arrived, not by a clock that was wrong", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    const farMs = 40 * 86_400_000;
    for (const [at, receivedAtMs] of [5 + farMs, 5, 5 - farMs].entries()) {
      await store.submit("saveReport", report(at + 1, { receivedAtMs, sealedAtMs: receivedAtMs }));
    }
    await closeHour(store, 1_000);
    for (const [at, receivedAtMs] of [2_000 - farMs, 2_000, 2_000 + farMs].entries()) {
      await store.submit("saveReport", report(at + 4, { receivedAtMs, sealedAtMs: receivedAtMs }));
    }
    while ((await store.submit("rollUp", ROLL_UP_ALL)).reports > 0);
    await store.submit("prune", { ...KEEP_ROLLUPS, beforeMs: 1_000, reports: 9 });
    expect(numbers("SELECT sequence FROM reports ORDER BY 1")).toEqual([4, 5, 6]);
  });

  it("never reuses a report's number: after pruning, a failed batch and a reopening", async () => {
    let store = await open();
    await store.submit("saveNode", NODE);
    for (let sequence = 1; sequence <= 3; sequence++) await store.submit("saveReport", report(sequence));
    await store.submit("rollUp", ROLL_UP_ALL);
    await closeHour(store, 1_000);
    await store.submit("prune", { ...KEEP_ROLLUPS, beforeMs: 1_000, reports: 9 });
    expect(numbers("SELECT id FROM reports")).toEqual([]);
    await store.close();
    store = await open();
    await store.submit("saveNode", NODE);
    const bad = { ...report(5), sequence: null as never };
    await Promise.allSettled([store.submit("saveReport", report(4)), store.submit("saveReport", bad)]);
    expect(await store.submit("saveReport", report(6))).toBe("stored");
    expect(await store.submit("saveReport", report(6))).toBe("duplicate");
    await store.submit("rollUp", ROLL_UP_ALL);
    await store.submit("prune", { ...KEEP_ROLLUPS, beforeMs: 1_000, reports: 9 });
    expect(numbers("SELECT sequence FROM reports")).toEqual([6]);
    expect(numbers("SELECT id FROM reports")[0]).toBeGreaterThan(3);
  });

  it("prunes incidents by when they were written last, and open ones with the node that went silent", async () => {
    const store = await open();
    for (const nodeId of ["n1", "n2"]) {
      await store.submit("saveNode", { ...NODE, nodeId });
      for (const startedAtMs of [1, 2, 3]) await store.submit("saveIncident", incident(startedAtMs, { nodeId }));
      await store.submit("saveIncident", incident(1, { nodeId, endedAtMs: 5 }));
      await store.submit("saveReport", report(1, { nodeId }));
    }
    await closeHour(store, 1_000);
    await store.submit("saveIncident", incident(2, { endedAtMs: 6 }));
    await store.submit("saveReport", report(2));
    const nodeIds = ["n1", "n2", "n3"];
    expect(await store.submit("silentNodes", { nodeIds, beforeMs: 999 })).toEqual(["n3"]);
    expect(await store.submit("silentNodes", { nodeIds, beforeMs: 1_000 })).toEqual(["n2", "n3"]);
    expect(await store.submit("openIncidents", { nodeId: "n1" })).toMatchObject([{ startedAtMs: 3 }]);
    await store.submit("prune", { ...KEEP_ROLLUPS, beforeMs: 1_000, reports: 9 });
    const left = await store.submit("listIncidents", ALL_INCIDENTS);
    expect(left.map(({ nodeId, startedAtMs }) => [nodeId, startedAtMs])).toEqual([
      ["n1", 3],
      ["n1", 2],
    ]);
  });

  it("keeps the dates of hours as long as a row needs them, and says when the last hour ended", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    await store.submit("saveIncident", incident(1, { endedAtMs: 2 }));
    expect(await store.submit("lastHourEndedMs", {})).toBeUndefined();
    for (let at = 1; at <= 5; at++) await closeHour(store, 1_000 * at, at === 5 ? 3_000 : 0);
    expect(await store.submit("lastHourEndedMs", {})).toBe(5_000);
    expect(numbers("SELECT ended_ms FROM hours ORDER BY 1")).toEqual([3_000, 4_000, 5_000]);
    const prune = { ...KEEP_ROLLUPS, reports: 9 };
    expect(await store.submit("prune", { ...prune, beforeMs: 2_999 })).toBe(0);
    expect(await store.submit("prune", { ...prune, beforeMs: 3_000 })).toBe(1);
  });

  it("prunes nodes of which nothing is left once they were silent for long enough", async () => {
    const store = await open();
    for (const nodeId of ["n1", "n2", "n3"]) await store.submit("saveNode", { ...NODE, nodeId });
    await store.submit("saveReport", report(1, { nodeId: "n2" }));
    await closeHour(store, 1_000);
    expect(await store.submit("saveNode", { ...NODE, nodeId: "n3" })).toBe("known");
    expect(await store.submit("saveNode", { ...NODE, nodeId: "n4" })).toBe("new");
    const left = async (beforeMs: number) => {
      await store.submit("pruneNodes", { beforeMs, limit: 9 });
      return (await store.submit("listNodes", { limit: 9 })).map(({ nodeId }) => nodeId).sort();
    };
    expect(await left(999)).toEqual(["n1", "n2", "n3", "n4"]);
    expect(await left(1_000)).toEqual(["n2", "n3", "n4"]);
  });

  it("records when the last report arrived, even if one had to wait or a clock was ahead", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    const last = async (sequence: number, receivedAtMs: number) => {
      await store.submit("saveReport", report(sequence, { receivedAtMs }));
      return (await store.submit("listNodes", { limit: 1 }))[0]?.lastReportMs;
    };
    expect([await last(1, 9_000_000), await last(2, 5_400_000)]).toEqual([9_000_000, 9_000_000]);
    expect([await last(3, 5_399_999), await last(4, 6_000_000)]).toEqual([5_399_999, 6_000_000]);
  });

  it("reports an unknown node, and does the rest of the batch", async () => {
    const log: string[] = [];
    const store = await open(log);
    await store.submit("saveNode", NODE);
    const results = await Promise.all([
      store.submit("saveReport", report(1, { nodeId: "gone" })),
      store.submit("saveIncident", incident(1, { nodeId: "gone" })),
      store.submit("saveVerdicts", { nodeId: "gone", verdicts: [] }),
      store.submit("saveReport", report(1)),
    ]);
    expect(results).toEqual(["no-node", "no-node", "no-node", "stored"]);
    expect(log).toEqual(["commit 1", "commit 4"]);
  });

  it("prunes boots with the last of their reports", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    const bootIds = [1, 2, 3].map((byte) => new Uint8Array(16).fill(byte));
    for (const bootId of bootIds.slice(0, 2)) await store.submit("saveReport", report(1, { bootId }));
    await closeHour(store, 2_000);
    for (const bootId of bootIds.slice(1)) await store.submit("saveReport", report(2, { bootId }));
    await store.submit("rollUp", ROLL_UP_ALL);
    await store.submit("prune", { ...KEEP_ROLLUPS, beforeMs: 2_500, reports: 9 });
    const left = await store.submit("listBoots", { nodeId: "n1", limit: 9 });
    expect(left.map(({ bootId, reports }) => [bootId[0], reports])).toEqual([
      [3, 1],
      [2, 2],
    ]);
  });

  it("pages incidents latest first, and filters them", async () => {
    const store = await open();
    await store.submit("saveNode", NODE);
    for (const startedAtMs of [10, 20, 30])
      await store.submit("saveIncident", incident(startedAtMs, { endedAtMs: startedAtMs + 5 }));
    await store.submit("saveIncident", incident(40));
    await store.submit("saveIncident", incident(40, { cause: "timeout" }));
    const all = { nodeId: "", openOnly: false, sinceMs: 0, limit: 2, after: undefined };
    const page = await store.submit("listIncidents", all);
    expect(page.map(({ startedAtMs, cause }) => [startedAtMs, cause])).toEqual([
      [40, "timeout"],
      [30, "refused"],
    ]);
    const after = page.at(-1);
    expect((await store.submit("listIncidents", { ...all, after })).map(({ startedAtMs }) => startedAtMs)).toEqual([
      20, 10,
    ]);
    expect(await store.submit("listIncidents", { ...all, openOnly: true })).toHaveLength(1);
    expect(await store.submit("listIncidents", { ...all, sinceMs: 26, limit: 9 })).toHaveLength(2);
    expect(await store.submit("listIncidents", { ...all, nodeId: "other" })).toEqual([]);
  });

  it("reports the crash of its thread, and rejects what waits", async () => {
    const log: string[] = [];
    const store = await open(log);
    const results = [store.submit("no such operation" as "touch", { nowMs: 1 }), store.submit("touch", { nowMs: 1 })];
    for (const result of await Promise.allSettled(results))
      expect(result).toMatchObject({ reason: { code: "crashed" } });
    expect(log).toEqual([expect.stringMatching(/^crash /)]);
    await expect(store.submit("touch", { nowMs: 1 })).rejects.toMatchObject({ code: "crashed" });
  });

  it("rejects operations after it was closed", async () => {
    const store = await open();
    await store.close();
    await expect(store.submit("touch", { nowMs: 1 })).rejects.toBeInstanceOf(StoreError);
  });
});
