/** Twenty simulated agents: they connect, report or only say hello, and leave, under a bounded set of node ids. */
import { between, pick, type Random } from "@lifeline/harness";
import { type Clock, pause, type Reason } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, RpcError } from "@lifeline/rpc";
import { emptyWindow, type Window } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS, type Report, reportPb } from "@lifeline/wire";
import type { TestBed } from "./test-bed.ts";

/** Counts that show that the soak ran under load. */
export interface LoadCounts {
  streams: number;
  reports: number;
  acknowledged: number;
  /** Plans after the first of a stream: the plan changed. */
  planChanges: number;
  refused: number;
}

/**
 * Agents that report. They are always active: with the measured agent and a visitor the fleet has at least fourteen.
 */
const REPORTERS = 12;

/**
 * Agents that only say hello, all at once and then none. With them the fleet counts as 32 rather than 16, and each
 * endpoint, which two rows name, is probed every 200 ms rather than every 100 ms (collector's cadence.ts): every agent
 * gets a new plan each time.
 */
const VISITORS = 8;

/** How long they stay and stay away, ms. */
const VISIT_MS = 30_000;

/** How long a reporting agent runs, and how long its node is down between two boots, ms. */
const LIFE_MS = { least: 5_000, most: 20_000 };
const DOWN_MS = { least: 200, most: 2_000 };

/** Time between two reports, and most windows of one. */
const REPORT_EVERY_MS = 1_000;
const WINDOWS = 10;

/** Inputs of the load, which ends with `signal`. */
export interface LoadOptions {
  readonly testBed: TestBed;
  readonly random: Random;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly counts: LoadCounts;
}

/** Runs all twenty until `signal` aborts. */
export async function runFleet(options: LoadOptions): Promise<void> {
  const { clock, random, signal } = options;
  const reporter = async (name: string) => {
    while (!signal.aborted) {
      await live(name, between(random, LIFE_MS.least, LIFE_MS.most), true, options);
      await pause(clock, between(random, DOWN_MS.least, DOWN_MS.most), signal);
    }
  };
  const visitor = async (at: number) => {
    while (!signal.aborted) {
      // One of two names: a node that was away for a long time, and one that was not.
      await live(`visitor-${at}-${pick(random, ["a", "b"])}`, VISIT_MS, false, options);
      await pause(clock, VISIT_MS, signal);
    }
  };
  const all = [
    ...Array.from({ length: REPORTERS }, (_, at) => reporter(`reporter-${at}`)),
    ...Array.from({ length: VISITORS }, (_, at) => visitor(at)),
  ];
  await Promise.all(all);
}

type Stream = ReturnType<typeof openStream>["stream"];

function openStream(address: string, credentials: ChannelCredentials) {
  // A connection of its own, as an agent's is.
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = createRpcClient(reportPb.ReportService, address, credentials, options);
  return { client, stream: client.duplex("stream") };
}

/** One boot of one node, from its hello to its end, which is a cut half of the time. */
async function live(nodeId: string, lifeMs: number, reports: boolean, options: LoadOptions): Promise<void> {
  const { testBed, random, clock, signal, counts } = options;
  const { client, stream } = openStream(testBed.collector.address, await testBed.node(nodeId));
  const ended = new AbortController();
  const over = AbortSignal.any([signal, ended.signal]);
  const targetIds: string[] = [];
  const listening = listen(stream, counts, targetIds).finally(() => ended.abort());
  const bootId = Uint8Array.from({ length: 16 }, () => between(random, 0, 255));
  counts.streams += 1;
  try {
    const endNs = clock.monotonicNs() + lifeMs * 1e6;
    await stream.send({ message: { case: "hello", value: helloOf(nodeId, bootId, random, clock) } });
    for (let sequence = 1n; clock.monotonicNs() < endNs && !over.aborted; sequence += 1n) {
      await pause(clock, REPORT_EVERY_MS, over);
      if (over.aborted) break;
      // Now and then with other facts, as from a node whose routes change.
      if (!reports && random() < 0.1)
        await stream.send({ message: { case: "hello", value: helloOf(nodeId, bootId, random, clock) } });
      if (!reports) continue;
      const report = encodeReport(reportOf(targetIds, Number(sequence), random, clock));
      const sentUnixMs = BigInt(clock.wallMs());
      await stream.send({ message: { case: "report", value: { bootId, sequence, report, sentUnixMs } } });
      counts.reports += 1;
    }
    if (random() < 0.5) stream.finish();
  } catch (error) {
    // The stream was replaced or cut; the responses end too.
    if (!(error instanceof RpcError)) throw error;
  } finally {
    stream.cancel();
    client.close();
    await listening;
  }
}

async function listen(stream: Stream, counts: LoadCounts, targetIds: string[]): Promise<void> {
  let plans = 0;
  try {
    for await (const { message } of stream.responses) {
      if (message.case === "ack") counts.acknowledged += message.value.reports.length;
      if (message.case === "refusal") counts.refused += 1;
      if (message.case !== "plan") continue;
      plans += 1;
      if (plans > 1) counts.planChanges += 1;
      const ids = message.value.targets.map(
        ({ requirementId, host, port }) => `${requirementId}|tcp|${host}:${port}|ipv4`,
      );
      targetIds.splice(0, targetIds.length, ...ids);
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
  }
}

function helloOf(nodeId: string, bootId: Uint8Array, random: Random, clock: Clock) {
  return {
    nodeId,
    bootId,
    agentVersion: "0.1.0",
    hostname: nodeId,
    roles: [reportPb.NodeRole.TALOS_NODE],
    ipVersions: pick(random, [[4], [4, 6]]),
    talosVersion: pick(random, ["v1.13.1", "v1.14.0"]),
    sentUnixMs: BigInt(clock.wallMs()),
  };
}

function reportOf(targetIds: readonly string[], ordinal: number, random: Random, clock: Clock): Report {
  const nowMs = clock.wallMs();
  const first = between(random, 0, Math.max(0, targetIds.length - 1));
  const windows = targetIds
    .slice(first, first + WINDOWS)
    .map((id) => windowOf(id, nowMs, ordinal, pick(random, ["answered", "answered", "refused", "timeout"])));
  return { sealedAtMs: nowMs, windows, selfMetrics: NO_SELF_METRICS };
}

function windowOf(targetId: string, nowMs: number, ordinal: number, reason: Reason): Window {
  const isGood = reason === "answered";
  const run = {
    ordinal,
    outcomeClass: isGood ? ("good" as const) : ("bad" as const),
    length: 10,
    startedAtMs: nowMs - REPORT_EVERY_MS,
    lossRun: reason === "timeout" ? 10 : 0,
    watched: 0,
    stateLength: 10,
    stateStartedAtMs: nowMs - REPORT_EVERY_MS,
  };
  const last = { endedAtMs: nowMs, reason, phase: "connect" as const, run, evidence: { address: "127.0.0.1" } };
  return {
    ...emptyWindow(targetId, nowMs - REPORT_EVERY_MS, nowMs),
    started: 10,
    counts: new Map([[reason, 10]]),
    last,
    lastBad: isGood ? undefined : last,
  };
}
