/** The reports of one stream, with a store that answers when the test says so. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { manualClock } from "@lifeline/measure";
import type { RpcError } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { createNode } from "../fleet/node-state.ts";
import { SeriesBudget } from "../fleet/series-budget.ts";
import { BOOT } from "../testing/node-fixture.ts";
import { reportBytes } from "../testing/report-fixture.ts";
import { BacklogLimiter } from "./backlog-limiter.ts";
import { NodeScheduler } from "./node-scheduler.ts";
import { type PipelineParts, ReportPipeline } from "./report-pipeline.ts";

/** Counters by name, without a registry. */
function countersOf() {
  const counts = new Map<string, number>();
  const selfMetrics = new Proxy(
    {},
    { get: (_, name: string) => ({ inc: () => counts.set(name, (counts.get(name) ?? 0) + 1) }) },
  ) as PipelineParts["selfMetrics"];
  return { selfMetrics, count: (name: string) => counts.get(name) ?? 0 };
}

function pipelineFixture() {
  const clock = manualClock(Date.now());
  const at = { load: 0, isFull: false };
  const submissions: { sequence: number; answer: () => void }[] = [];
  let roomMade = () => {};
  const store = {
    submit: (_: string, { sequence }: { sequence: number }) =>
      new Promise((resolve) => submissions.push({ sequence, answer: () => resolve("stored") })),
    room: () =>
      at.isFull
        ? new Promise<void>((resolve) => {
            roomMade = resolve;
          })
        : undefined,
  } as unknown as PipelineParts["store"];
  const backlog = new BacklogLimiter(() => at.load);
  const { selfMetrics, count } = countersOf();
  const parts = {
    clock,
    store,
    backlog,
    selfMetrics,
    scheduler: new NodeScheduler(clock),
    judging: { touch() {}, judgeLate: async () => {} },
  } as unknown as PipelineParts;
  const acked: number[] = [];
  const endings: RpcError[] = [];
  const send: ConstructorParameters<typeof ReportPipeline>[1] = async ({ message }) => {
    if (message?.case !== "ack") return;
    for (const { sequence } of message.value.reports ?? []) acked.push(Number(sequence));
  };
  const pipeline = new ReportPipeline(parts, send, (error) => endings.push(error));
  const facts = { nodeId: "n1", roles: [], families: [] };
  const described = { facts, hostname: "", agentVersion: "", addresses: [], observedEndpoint: undefined };
  const node = createNode(described, clock.wallMs(), { series: new SeriesBudget(), onOverflow() {} });
  const take = (sequence: number, report: Uint8Array) =>
    pipeline.take(node, {
      bootId: BOOT,
      sequence: BigInt(sequence),
      report,
      sentUnixMs: 0n,
    } as reportPb.ReportEnvelope);
  const live = () => reportBytes({ sealedAtMs: clock.wallMs() });
  const late = () => reportBytes({ sealedAtMs: clock.wallMs() - 600_000 });
  /** Lets everything go on that can. */
  const settle = async () => {
    for (let rounds = 0; rounds < 8; rounds++) await nextTurn();
  };
  const submitted = () => submissions.map(({ sequence }) => sequence);
  const answer = async () => {
    for (const { answer: resolve } of submissions.splice(0)) resolve();
    await settle();
  };
  const makeRoom = () => {
    at.isFull = false;
    roomMade();
  };
  return { at, pipeline, node, take, live, late, settle, submitted, answer, makeRoom, acked, endings, backlog, count };
}

describe("the reports of a stream", () => {
  it("that are late wait in order while the store is behind, and let live ones pass; none is lost", async () => {
    const { at, take, live, late, settle, submitted, answer, acked, backlog, count } = pipelineFixture();
    at.load = 1;
    for (const sequence of [1, 2, 3]) await take(sequence, late());
    await take(9, live());
    expect(submitted()).toEqual([9]);
    expect([backlog.waiting, count("deferredReports")]).toEqual([3, 3]);
    await answer();
    at.load = 0;
    backlog.review();
    for (let rounds = 0; rounds < 3; rounds++) {
      await settle();
      await answer();
    }
    expect(acked).toEqual([9, 1, 2, 3]);
    expect(backlog.waiting).toBe(0);
  });

  it("that wait are given up when the stream ends", async () => {
    const { at, pipeline, take, late, settle, submitted, backlog } = pipelineFixture();
    at.load = 1;
    await take(1, late());
    pipeline.close();
    await settle();
    expect([backlog.waiting, submitted()]).toEqual([0, []]);
    await pipeline.settled();
  });

  it("wait for room in the store's queue, which ends no stream", async () => {
    const { at, take, live, settle, submitted, answer, makeRoom, acked, endings } = pipelineFixture();
    at.isFull = true;
    await take(1, live());
    await settle();
    expect(submitted()).toEqual([]);
    makeRoom();
    await settle();
    await answer();
    expect([acked, endings]).toEqual([[1], []]);
  });

  it.each([
    ["64 of them", 64, (now: number) => reportBytes({ sealedAtMs: now })],
    ["6,144 windows", 6, (now: number) => reportBytes({ sealedAtMs: now, windows: 1_024 })],
    ["2 MiB", 3, (now: number) => reportBytes({ sealedAtMs: now, windows: 1_024, evidenceChars: 256 })],
  ])("are not read on while %s have no answer", async (_, most, bytes) => {
    const { take, settle, submitted, answer } = pipelineFixture();
    const report = bytes(Date.now());
    let read = 0;
    const reading = (async () => {
      for (let sequence = 1; sequence <= most + 1; sequence++) {
        await take(sequence, report);
        read = sequence;
      }
    })();
    while (submitted().length < most) await settle();
    await settle();
    // The last of them is here, and its place is waited for.
    expect([read, submitted().length]).toEqual([most - 1, most]);
    await answer();
    await reading;
    expect(read).toBe(most + 1);
  });
});
