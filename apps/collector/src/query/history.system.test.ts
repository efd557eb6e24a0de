import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { manualClock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { emptyWindow, mergeAllWindows, type Window } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS, type queryPb } from "@lifeline/wire";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../store/database.ts";
import type { RolledUp } from "../store/history-record.ts";
import type { ReportRecord } from "../store/record.ts";
import { aggregateOf, stepStartMs } from "../store/rollup.ts";
import type { Store } from "../store/store.ts";
import type { Operation, OperationName } from "../store/store-operations.ts";
import { createHistory } from "./history.ts";
import { pointToWire } from "./query-codec.ts";

/** A multiple of every step, and when the tests' windows begin at the earliest. */
const ZERO_MS = Date.UTC(2026, 2, 1);
const NOW_MS = ZERO_MS + 4 * 3_600_000;
const TARGETS = ["api-tcp|tcp|h:1|ipv4", "api-tls|tls|h:1|ipv4", "node-dns|dns|h:53|ipv6"];
const NODE = {
  nodeId: "n1",
  hostname: "h",
  agentVersion: "1",
  factsJson: "{}",
  seenFromJson: undefined,
  seenAtMs: NOW_MS,
  clockOffsetMs: undefined,
};
const RETENTION = { retentionDays: 30, minuteRetentionDays: 90, hourRetentionDays: 400 };

let directory = "";
let path = "";
let database: Database;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-history-"));
  path = join(directory, "collector.db");
  database = openDatabase(path);
  run("saveNode", NODE);
});
afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true });
});

function run<K extends OperationName>(name: K, input: Extract<Operation, { name: K }>["input"]): unknown {
  return database.run([{ name, input } as Operation])[0];
}
const submit = (async (name: OperationName, input: never) => run(name, input)) as Store["submit"];

function history(nowMs = NOW_MS) {
  return createHistory({
    fleet: { nodes: new Map() },
    store: { submit },
    clock: manualClock(nowMs),
    retention: RETENTION,
  });
}
type Request = Partial<queryPb.ListHistoryRequest>;
async function listHistory(request: Request, nowMs = NOW_MS): Promise<queryPb.ListHistoryResponse> {
  const full = { nodeId: "n1", only: "", fromUnixMs: 0n, toUnixMs: 0n, stepSeconds: 0, ...request };
  return (await history(nowMs)(full as queryPb.ListHistoryRequest, {} as never)) as queryPb.ListHistoryResponse;
}

/** All answers together; each query continues where the last answer was cut. */
async function listAll(request: Request): Promise<Map<string, unknown[]>> {
  const byTarget = new Map<string, unknown[]>();
  let fromUnixMs = request.fromUnixMs ?? 0n;
  for (let answers = 0; answers < 100; answers++) {
    const { targets, continueFromUnixMs } = await listHistory({ ...request, fromUnixMs });
    for (const { targetId, points } of targets ?? [])
      byTarget.set(targetId, [...(byTarget.get(targetId) ?? []), ...points]);
    if (continueFromUnixMs === undefined) return byTarget;
    expect(continueFromUnixMs).toBeGreaterThan(fromUnixMs);
    fromUnixMs = continueFromUnixMs;
  }
  throw new Error("the answers never end");
}

let sequence = 0;
function save(windows: readonly Window[], more: Partial<ReportRecord> = {}): void {
  sequence++;
  const bootId = new Uint8Array(16);
  const indexed = windows.map(({ targetId, startMs, endMs }, position) => ({ targetId, position, startMs, endMs }));
  const times = { receivedAtMs: NOW_MS + sequence, sealedAtMs: NOW_MS, clockOffsetMs: undefined };
  const payload = encodeReport({ sealedAtMs: NOW_MS, windows, selfMetrics: NO_SELF_METRICS });
  const report = { nodeId: "n1", bootId, sequence, ...times, payload, windowCount: windows.length, windows: indexed };
  expect(run("saveReport", { ...report, ...more })).toBe("stored");
}
const rollUp = (limit = 1_000): RolledUp => run("rollUp", { dueBeforeMs: Number.MAX_SAFE_INTEGER, limit }) as RolledUp;

const simple = (startMs: number, targetId = TARGETS[0] ?? "", answered = 1): Window => ({
  ...emptyWindow(targetId, startMs, startMs + 10_000),
  started: answered,
  counts: new Map([["answered", answered]]),
});

/** Windows of any content, anywhere in three hours; three in four lie as agents lay them. */
const anyWindow: fc.Arbitrary<Window> = fc
  .record({
    targetId: fc.constantFrom(...TARGETS),
    startMs: fc.oneof(
      { weight: 3, arbitrary: fc.nat(1_079).map((step) => ZERO_MS + step * 10_000) },
      { weight: 1, arbitrary: fc.nat(3 * 3_600_000 - 1).map((ms) => ZERO_MS + ms) },
    ),
    lengthMs: fc.nat(20_000),
    counts: fc.dictionary(
      fc.constantFrom("answered", "timeout", "late", "silent", "stalled"),
      fc.integer({ min: 1, max: 9 }),
    ),
    buckets: fc.dictionary(fc.integer({ min: 500, max: 520 }).map(String), fc.integer({ min: 1, max: 9 })),
    extremes: fc.tuple(fc.nat(10 ** 9), fc.nat(10 ** 9)),
  })
  .map(({ targetId, startMs, lengthMs, counts, buckets, extremes }) => {
    const sketch = new Map(Object.entries(buckets).map(([index, count]) => [Number(index), count]));
    const has = sketch.size > 0;
    return {
      ...emptyWindow(targetId, startMs, startMs + lengthMs),
      started: 3,
      counts: new Map(Object.entries(counts)) as Window["counts"],
      rtt: {
        sketch,
        minNs: has ? Math.min(...extremes) : undefined,
        maxNs: has ? Math.max(...extremes) : undefined,
        sumNs: has ? extremes[0] + extremes[1] : 0,
        kernelCount: has ? 1 : 0,
      },
    };
  });

/** What may happen between two reports. */
const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(anyWindow, { maxLength: 8 }).map((windows) => ({ kind: "report" as const, windows })),
  },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }).map((limit) => ({ kind: "roll-up" as const, limit })) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "failed-transaction" as const }) },
);

/** Something that SQLite refuses, so that everything of its batch is undone. */
const REFUSED = { name: "touch", input: { nowMs: null as never } } as const;

function expected(windows: readonly Window[], stepS: number): Map<string, unknown[]> {
  const byTarget = new Map<string, unknown[]>();
  for (const targetId of TARGETS) {
    const own = windows.filter((window) => window.targetId === targetId).map(aggregateOf);
    const steps = [...Map.groupBy(own, ({ startMs }) => stepStartMs(startMs, stepS))].sort(([a], [b]) => a - b);
    const points = steps.flatMap(([startMs, [first, ...rest]]) =>
      first === undefined ? [] : pointToWire(startMs, mergeAllWindows(first, rest)),
    );
    if (points.length > 0) byTarget.set(targetId, points);
  }
  return byTarget;
}

describe("history", () => {
  it("is the merge of all windows at every step, across roll-ups, failed transactions and restarts (W1)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 24 }), async (events) => {
        database.close();
        rmSync(path, { force: true });
        database = openDatabase(path);
        run("saveNode", NODE);
        const windows: Window[] = [];
        for (const happened of events) {
          switch (happened.kind) {
            case "report":
              windows.push(...happened.windows);
              save(happened.windows);
              break;
            case "roll-up":
              rollUp(happened.limit);
              break;
            case "restart":
              database.close();
              database = openDatabase(path);
              break;
            case "failed-transaction":
              expect(() =>
                database.run([{ name: "rollUp", input: { dueBeforeMs: Number.MAX_SAFE_INTEGER, limit: 9 } }, REFUSED]),
              ).toThrow();
          }
        }
        for (const stepSeconds of [10, 60, 3_600]) {
          expect(await listAll({ stepSeconds })).toEqual(expected(windows, stepSeconds));
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it("rolls a report up once when the first transaction fails", async () => {
    save([simple(ZERO_MS), simple(ZERO_MS + 10_000)]);
    save([simple(ZERO_MS + 20_000)]);
    const all = { name: "rollUp", input: { dueBeforeMs: Number.MAX_SAFE_INTEGER, limit: 9 } } as const;
    expect(() => database.run([all, REFUSED])).toThrow();
    expect(rollUp()).toEqual({ reports: 2, undecodable: 0, overflows: 0, pending: 0 });
    expect(rollUp()).toEqual({ reports: 0, undecodable: 0, overflows: 0, pending: 0 });
    for (const stepSeconds of [60, 3_600])
      expect((await listHistory({ stepSeconds })).targets).toMatchObject([{ points: [{ sent: 3n, lost: 0n }] }]);
  });

  it("rolls up the node that has waited longest, or one with a full batch, and no other", () => {
    const due = (dueBeforeMs: number) => run("rollUp", { dueBeforeMs, limit: 2 });
    run("saveNode", { ...NODE, nodeId: "n2" });
    save([simple(ZERO_MS)], { nodeId: "n2", receivedAtMs: 5_000 });
    for (const receivedAtMs of [4_000, 6_000, 7_000]) save([simple(ZERO_MS)], { receivedAtMs });
    expect(due(5_000)).toMatchObject({ reports: 2, pending: 2 });
    expect(due(5_000)).toMatchObject({ reports: 0, pending: 2 });
    expect(due(5_001)).toMatchObject({ reports: 1, pending: 1 });
    save([simple(ZERO_MS)], { receivedAtMs: 8_000 });
    expect(due(0)).toMatchObject({ reports: 2, pending: 0 });
  });

  it("skips a report that cannot be decoded, and counts it", async () => {
    save([simple(ZERO_MS)], { payload: Uint8Array.of(255) });
    save([simple(ZERO_MS)]);
    expect(rollUp()).toMatchObject({ reports: 2, undecodable: 1, pending: 0 });
    expect((await listHistory({ stepSeconds: 60 })).targets).toMatchObject([{ points: [{ sent: 1n }] }]);
  });

  it("replaces a roll-up that cannot be decoded, and counts it", () => {
    save([simple(ZERO_MS)]);
    rollUp();
    const writer = new DatabaseSync(path);
    writer.exec("UPDATE rollups SET payload = x'ff' WHERE step_s = 60");
    writer.close();
    save([simple(ZERO_MS)]);
    expect(rollUp()).toMatchObject({ reports: 1, undecodable: 1 });
  });

  it("keeps a roll-up unchanged when a merge would overflow it, and counts it (S2)", async () => {
    save([simple(ZERO_MS, TARGETS[0], 0xffff_ffff)]);
    expect(rollUp()).toMatchObject({ overflows: 0 });
    save([simple(ZERO_MS)]);
    expect(rollUp()).toMatchObject({ reports: 1, overflows: 2, pending: 0 });
    expect((await listHistory({ stepSeconds: 60 })).targets).toMatchObject([{ points: [{ sent: 0xffff_ffffn }] }]);
  });

  it("keeps no names that the index does not have (S2)", () => {
    save([simple(ZERO_MS, "made-up"), simple(ZERO_MS)], {
      windows: [{ targetId: TARGETS[0] ?? "", position: 1, startMs: ZERO_MS, endMs: ZERO_MS + 10_000 }],
    });
    rollUp();
    expect(run("historyExtent", { nodeId: "n1" })).toEqual({ targetIds: [TARGETS[0]], firstMs: expect.any(Number) });
  });
});

describe("a pending roll-up", () => {
  it.each([
    ["arrived long enough ago", 999, 1],
    ["has yet to wait", 1_000, 0],
    ["has yet to wait, by a clock that was ahead a little", 1_000 + 24 * 3_600_000, 0],
    ["arrived by a clock that was ahead by more than a day", 1_001 + 24 * 3_600_000, 1],
  ])("is due, or not, as it %s", (_, receivedAtMs, reports) => {
    save([simple(ZERO_MS)], { receivedAtMs });
    expect(run("rollUp", { dueBeforeMs: 1_000, limit: 2 })).toMatchObject({ reports });
  });
});

describe("pruning", () => {
  const DAY_MS = 86_400_000;
  /** Prunes each level of what was stored in the hour that was closed, or not. */
  const prune = (...levels: readonly boolean[]) => {
    const [beforeMs = 0, minuteBeforeMs = 0, hourBeforeMs = 0] = levels.map((isBefore) => (isBefore ? NOW_MS : 0));
    return run("prune", { beforeMs, minuteBeforeMs, hourBeforeMs, reports: 100 });
  };
  const closeHour = () => run("closeHour", { endedMs: NOW_MS, keepFromMs: 0 });

  it("includes reports that were rolled up, and no others", async () => {
    save([simple(ZERO_MS)]);
    save([simple(ZERO_MS)]);
    closeHour();
    expect(prune(true)).toBe(0);
    rollUp(1);
    expect(prune(true)).toBe(2);
    expect((await listHistory({ stepSeconds: 60 })).targets).toMatchObject([{ points: [{ sent: 2n }] }]);
    rollUp();
    expect(prune(true)).toBe(2);
    expect((await listHistory({ stepSeconds: 60 })).targets).toMatchObject([{ points: [{ sent: 2n }] }]);
  });

  it("includes each level's roll-ups at their own time, and the node last", async () => {
    save([simple(ZERO_MS)]);
    rollUp();
    closeHour();
    const steps = async () => {
      const points = [];
      for (const stepSeconds of [10, 60, 3_600]) points.push((await listHistory({ stepSeconds })).targets?.length ?? 0);
      return points;
    };
    expect(await steps()).toEqual([1, 1, 1]);
    prune(true);
    expect(await steps()).toEqual([0, 1, 1]);
    prune(true, true);
    expect(await steps()).toEqual([0, 0, 1]);
    run("pruneNodes", { beforeMs: NOW_MS, limit: 9 });
    expect(run("listNodes", { limit: 9 })).toHaveLength(1);
    prune(true, true, true);
    run("pruneNodes", { beforeMs: NOW_MS, limit: 9 });
    expect(run("listNodes", { limit: 9 })).toHaveLength(0);
    await expect(steps()).rejects.toMatchObject({ code: RpcStatus.NOT_FOUND });
  });

  it("excludes roll-ups to which something was added since", async () => {
    save([simple(ZERO_MS)]);
    rollUp();
    closeHour();
    save([simple(ZERO_MS)]);
    rollUp();
    prune(true, true, true);
    const points = async (stepSeconds: number) => (await listHistory({ stepSeconds })).targets?.[0]?.points;
    expect([await points(60), await points(3_600)]).toMatchObject([[{ sent: 2n }], [{ sent: 2n }]]);
  });

  it("is also left out of answers before it is deleted: a step begins where its level is kept from", async () => {
    save([simple(ZERO_MS)]);
    rollUp();
    const after = (days: number, stepSeconds: number) => listHistory({ stepSeconds }, ZERO_MS + days * DAY_MS);
    for (const [stepSeconds, days] of [
      [10, 30],
      [60, 90],
      [3_600, 400],
    ] as const) {
      expect((await after(days, stepSeconds)).targets).toHaveLength(1);
      expect((await after(days + 1, stepSeconds)).targets ?? []).toHaveLength(0);
    }
  });
});

describe("ListHistory", () => {
  it.each([
    ["a pattern too long", { only: "x".repeat(257) }, "only: got 257 characters, want at most 256"],
    [
      "another step",
      { stepSeconds: 30 },
      "step_seconds: got 30, want one of 10, 60, 3600, or 0 for the finest that will do",
    ],
    [
      "a time that is none",
      { fromUnixMs: 2n ** 60n },
      "from_unix_ms: got 1152921504606846976, want at most 4102444800000",
    ],
    [
      "an end that is none",
      { toUnixMs: 2n ** 60n },
      "to_unix_ms: got 1152921504606846976, want at most 4102444800000, or 0 for now",
    ],
    [
      "an end before its beginning",
      { fromUnixMs: 9n, toUnixMs: 9n },
      "from_unix_ms: got 9, want a time before 9, the end of the range",
    ],
  ])("refuses %s", async (_, request, message) => {
    await expect(listHistory(request)).rejects.toEqual(new RpcError(RpcStatus.INVALID_ARGUMENT, message));
  });

  it("knows no node without stored data", async () => {
    await expect(listHistory({ nodeId: "n9" })).rejects.toMatchObject({
      code: RpcStatus.NOT_FOUND,
      message: 'node_id: got "n9", want a node that has reported',
    });
    expect((await listHistory({})).targets ?? []).toEqual([]);
  });

  it("takes the finest step that is kept for the whole time and gives at most 1000 points", async () => {
    save([simple(NOW_MS - 1_000 * 86_400_000), simple(NOW_MS - 60_000)]);
    const step = async (agoMs: number) => (await listHistory({ fromUnixMs: BigInt(NOW_MS - agoMs) })).stepSeconds;
    expect(await step(10_000_000)).toBe(10);
    expect(await step(10_000_001)).toBe(60);
    expect(await step(60_000_000)).toBe(60);
    expect(await step(60_000_001)).toBe(3_600);
    const at = (days: number) => BigInt(NOW_MS - days * 86_400_000);
    const oneMinute = async (days: number) =>
      (await listHistory({ fromUnixMs: at(days), toUnixMs: at(days) + 60_000n })).stepSeconds;
    expect([await oneMinute(30), await oneMinute(31), await oneMinute(90), await oneMinute(91)]).toEqual([
      10, 60, 60, 3_600,
    ]);
  });

  it("begins with what is kept, so that a young node's whole history has the finest step", async () => {
    save([simple(NOW_MS - 600_000)]);
    expect((await listHistory({ fromUnixMs: 0n })).stepSeconds).toBe(10);
  });

  it("takes patterns of requirements", async () => {
    save(TARGETS.map((targetId) => simple(ZERO_MS, targetId)));
    const requirementsOf = async (only: string) =>
      (await listHistory({ only })).targets?.map(({ requirementId }) => requirementId) ?? [];
    expect(await requirementsOf("api-*")).toEqual(["api-tcp", "api-tls"]);
    expect(await requirementsOf("node-dns")).toEqual(["node-dns"]);
    expect(await requirementsOf("nothing")).toEqual([]);
  });

  it("cuts an answer that is too large between two steps, and skips a gap", async () => {
    const starts = Array.from({ length: 1_003 }, (_, at) => ZERO_MS - 30_000_000 + at * 10_000);
    for (const startMs of [...starts, ZERO_MS]) save([simple(startMs)]);
    const first = await listHistory({ stepSeconds: 10 });
    // It begins up to a window's reach before the first.
    const count = first.targets?.[0]?.points.length ?? 0;
    expect(count).toBeGreaterThan(900);
    expect(first.continueFromUnixMs).toBe(BigInt(starts[count] ?? 0));
    const rest = await listAll({ stepSeconds: 10, fromUnixMs: first.continueFromUnixMs ?? 0n });
    expect([...rest.values()].map((points) => points.length)).toEqual([1_004 - count]);
  });

  it("cuts before a step with too many reports, and refuses when it is the only one (S2)", async () => {
    save([simple(ZERO_MS)]);
    for (let at = 0; at < 1_024; at++) save([simple(ZERO_MS + 60_000)]);
    const { targets, continueFromUnixMs } = await listHistory({ stepSeconds: 60 });
    expect(targets).toMatchObject([{ points: [{ startUnixMs: BigInt(ZERO_MS), sent: 1n }] }]);
    expect(continueFromUnixMs).toBe(BigInt(ZERO_MS + 60_000));
    save([simple(ZERO_MS + 60_000)]);
    await expect(listHistory({ stepSeconds: 60, fromUnixMs: continueFromUnixMs ?? 0n })).rejects.toMatchObject({
      code: RpcStatus.FAILED_PRECONDITION,
    });
    rollUp();
    expect(await listAll({ stepSeconds: 60 })).toMatchObject(new Map([[TARGETS[0], [{ sent: 1n }, { sent: 1_025n }]]]));
  });
});
