import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { manualClock, type Reason, type Sample, systemClock } from "@lifeline/measure";
import { channelCredentials, createRpcClient, RpcError, RpcStatus } from "@lifeline/rpc";
import { followRun, mergeWindows, type Run, type Window, windowOf } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS, NODE_ID_WANTED, queryPb, reportPb } from "@lifeline/wire";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Collector, startCollector } from "./collector.ts";
import type { Config } from "./config/config.ts";
import { HELLO_WITHIN_MS } from "./streams/agent-stream.ts";
import { testConfig } from "./testing/config.ts";
import { catalogueOf, checkRow, requirementRow } from "./testing/deployment-fixture.ts";
import { EVENT_WITHIN_MS, until } from "./testing/wait.ts";

let directory = "";
const closers: (() => Promise<unknown> | unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-collector-"));
  writeFileSync(join(directory, "deployment.yaml"), DEPLOYMENT);
  writeFileSync(join(directory, "catalogue.yaml"), CATALOGUE);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true });
});

const DEPLOYMENT = `
version: 1
name: test
kind: on-prem
omni: { api: "https://127.0.0.1:8443", siderolink: ["127.0.0.1:50180"] }
`;
const CATALOGUE = catalogueOf(
  requirementRow("api-tcp", "api", "tcp", "{ probe: tcp, acceptReset: false }"),
  requirementRow("siderolink-udp", "siderolink", "udp", "{ probe: udp, payloadBytes: 16 }", { obligation: "optional" }),
);
const TCP = "api-tcp|tcp|127.0.0.1:8443|ipv4";
const BOOT = new Uint8Array(16).fill(1);

const log = pino({ level: "silent" });
async function start(more: Partial<Config> = {}, clock = systemClock): Promise<Collector> {
  const collector = await startCollector(testConfig(directory, more), {
    clock,
    log,
    onStoreCrash: (error) => {
      throw error;
    },
  });
  closers.push(() => collector.stop());
  return collector;
}

type Responses = reportPb.StreamResponse[];
function agent(
  port: number,
  hello: Readonly<Record<string, unknown>> = {},
  channel = channelCredentials.createInsecure(),
) {
  const client = createRpcClient(reportPb.ReportService, `127.0.0.1:${port}`, channel);
  closers.push(() => client.close());
  const call = client.duplex("stream");
  const seen: Responses = [];
  const ended = (async () => {
    for await (const response of call.responses) seen.push(response);
    return undefined;
  })().catch((error: RpcError) => error);
  const sendHello = (more: Readonly<Record<string, unknown>> = {}) =>
    call.send({
      message: {
        case: "hello",
        value: {
          nodeId: "n1",
          bootId: BOOT,
          agentVersion: "1",
          hostname: "h1",
          roles: [2],
          ipVersions: [4],
          ...hello,
          ...more,
        },
      },
    });
  const report = (sequence: number, bytes: Uint8Array, bootId = BOOT, sentMs = 0) =>
    call.send({
      message: {
        case: "report",
        value: { bootId, sequence: BigInt(sequence), report: bytes, sentUnixMs: BigInt(sentMs) },
      },
    });
  const acked = () =>
    seen.flatMap(({ message }) =>
      message.case === "ack" ? message.value.reports.map(({ sequence }) => Number(sequence)) : [],
    );
  const refusals = () => seen.flatMap(({ message }) => (message.case === "refusal" ? [message.value] : []));
  const plans = () => seen.flatMap(({ message }) => (message.case === "plan" ? [message.value] : []));
  return { call, seen, ended, sendHello, report, acked, refusals, plans };
}

/** A report of one window of one target's samples, one a second, the last just now. */
function reportOf(reasons: readonly Reason[], sealedAtMs = Date.now(), targetId = TCP): Uint8Array {
  let run: Run | undefined;
  let window: Window | undefined;
  for (const [at, reason] of reasons.entries()) {
    const endedAtMs = sealedAtMs - (reasons.length - 1 - at) * 1_000;
    const sample: Sample = {
      targetId,
      startedAtMs: endedAtMs - 1,
      endedAtMs,
      outcome: { reason, phase: "connect" },
      ...(reason === "answered" ? { rtt: { ns: 1_000_000, source: "kernel" as const } } : {}),
      phases: {},
      evidence: { address: "127.0.0.1" },
    };
    const followed = followRun(run, sample);
    run = followed.run;
    const one = windowOf(followed, endedAtMs - 1_000, endedAtMs);
    window = window === undefined ? one : mergeWindows(window, one);
  }
  return encodeReport({ sealedAtMs, windows: window === undefined ? [] : [window], selfMetrics: NO_SELF_METRICS });
}
const times = (count: number, reason: Reason): Reason[] => Array.from({ length: count }, () => reason);

const addressesOf = (count: number) => Array.from({ length: count }, (_, at) => `198.51.100.${at}`);

function queries({ grpcPort }: { grpcPort: number }) {
  const client = createRpcClient(queryPb.QueryService, `127.0.0.1:${grpcPort}`, channelCredentials.createInsecure());
  closers.push(() => client.close());
  const options = { timeoutMs: EVENT_WITHIN_MS };
  return {
    verdicts: (request: object = {}) => client.unary("listVerdicts", request, options),
    nodes: (request: object = {}) => client.unary("listNodes", request, options),
    node: (nodeId: string) => client.unary("getNode", { nodeId }, options),
    history: (request: object = {}) => client.unary("listHistory", { nodeId: "n1", ...request }, options),
    incidents: (request: object = {}) => client.unary("listIncidents", request, options),
  };
}

async function scrape({ httpPort }: { httpPort: number }): Promise<string> {
  return (await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })).text();
}

describe("reports", () => {
  it("are acknowledged only when another reader of the database sees them (U1)", async () => {
    const collector = await start();
    const { sendHello, report, acked, plans } = agent(collector.grpcPort);
    await sendHello();
    await until(() => plans().length === 1);
    expect(plans()[0]?.targets.map(({ requirementId }) => requirementId)).toEqual(["api-tcp", "siderolink-udp"]);
    const reader = new DatabaseSync(join(directory, "data", "collector.db"), { readOnly: true });
    closers.push(() => reader.close());
    for (let sequence = 1; sequence <= 20; sequence++) {
      await report(sequence, reportOf(["answered"]));
      await until(() => acked().includes(sequence));
      const stored = reader.prepare("SELECT count(*) AS n FROM reports WHERE sequence = ?").get(sequence);
      expect(stored).toEqual({ n: 1 });
    }
  });

  it("that arrive again are acknowledged again and counted as duplicates", async () => {
    const collector = await start();
    const { sendHello, report, acked } = agent(collector.grpcPort);
    await sendHello();
    const bytes = reportOf(["answered"]);
    for (const sequence of [1, 2, 2, 5, 1]) await report(sequence, bytes);
    await until(() => acked().length === 5);
    const { boots, node } = await queries(collector).node("n1");
    expect(boots).toMatchObject([
      { firstSequence: 1n, lastSequence: 5n, reports: 3n, windows: 3n, missingReports: 2n, duplicateReports: 2n },
    ]);
    expect(node).toMatchObject({ nodeId: "n1", hostname: "h1", connected: true });
    const text = await scrape(collector);
    expect(text).toContain('lifeline_collector_reports_total{result="stored"} 3');
    expect(text).toContain('lifeline_collector_reports_total{result="duplicate"} 2');
    expect(text).toMatch(/lifeline_probe_attempts_total\{node="n1",requirement="api-tcp",.*\} 3\n/);
  });

  it("with targets outside the plan leave only their bytes and a count (S2)", async () => {
    const collector = await start();
    const { sendHello, report, acked } = agent(collector.grpcPort);
    await sendHello();
    await report(1, reportOf(["answered"], Date.now(), "made-up"));
    await report(2, reportOf(["answered"]));
    await until(() => acked().length === 2);
    expect((await queries(collector).node("n1")).boots).toMatchObject([{ reports: 2n, windows: 2n }]);
    const reader = new DatabaseSync(join(directory, "data", "collector.db"), { readOnly: true });
    closers.push(() => reader.close());
    expect(reader.prepare("SELECT target_id FROM targets").all()).toEqual([{ target_id: TCP }]);
    expect(reader.prepare("SELECT count(*) AS n FROM windows").get()).toEqual({ n: 1 });
  });

  it("that can never be admitted are refused with a code and counted, and the stream goes on", async () => {
    const collector = await start();
    const { sendHello, report, refusals, acked } = agent(collector.grpcPort);
    await sendHello();
    await report(1, new Uint8Array([255, 255, 255]));
    await report(2, new Uint8Array(4 * 1024 * 1024 - 900));
    await report(4, reportOf(["answered"]), new Uint8Array(3));
    await report(0, reportOf(["answered"]));
    await report(9, reportOf(["answered"]));
    await until(() => acked().length === 1 && refusals().length === 4);
    expect(refusals().map(({ report: of, code, field }) => [of?.sequence, code, field])).toEqual([
      [1n, "malformed", "report"],
      [2n, "too-large", "report"],
      [4n, "malformed", "boot_id"],
      [0n, "malformed", "sequence"],
    ]);
    const text = await scrape(collector);
    expect(text).toContain('lifeline_collector_reports_refused_total{code="malformed"} 3');
    expect(text).toContain('lifeline_collector_reports_refused_total{code="too-large"} 1');
  });
});

describe("admission", () => {
  it.each([
    ["a name of nothing", { nodeId: "" }, `hello.node_id: got "", want ${NODE_ID_WANTED}`],
    ["a name with a line break", { nodeId: "a\nb" }, `hello.node_id: got "a\\u{A}b", want ${NODE_ID_WANTED}`],
    ["a short boot id", { bootId: new Uint8Array(4) }, "hello.boot_id: got 4 bytes, want 16 bytes"],
    [
      "a text beyond all bounds",
      { hostname: "h".repeat(4_097) },
      "hello.hostname: got 4097 characters, want at most 4096",
    ],
    [
      "a list beyond all bounds",
      { resolvers: Array.from({ length: 257 }, () => "10.0.0.1") },
      "hello.resolvers: got 257 entries, want at most 256",
    ],
  ])("refuses %s", async (_, hello, message) => {
    const collector = await start();
    const { sendHello, ended } = agent(collector.grpcPort, hello);
    await sendHello();
    expect(await ended).toMatchObject({ code: RpcStatus.INVALID_ARGUMENT, message });
    expect(await scrape(collector)).toContain('lifeline_collector_streams_refused_total{code="invalid"} 1');
  });

  it("refuses reports before hello, and another node or boot on the same stream (S1)", async () => {
    const collector = await start();
    const early = agent(collector.grpcPort);
    await early.report(1, reportOf(["answered"]));
    expect(await early.ended).toMatchObject({
      code: RpcStatus.INVALID_ARGUMENT,
      message: "message: got report, want hello",
    });
    const twice = agent(collector.grpcPort);
    await twice.sendHello();
    await twice.sendHello();
    await twice.sendHello({ nodeId: "somebody-else" });
    expect(await twice.ended).toMatchObject({
      code: RpcStatus.INVALID_ARGUMENT,
      message: "hello.node_id: got another one on this stream, want n1",
    });
    const reborn = agent(collector.grpcPort);
    await reborn.sendHello();
    await reborn.sendHello({ bootId: new Uint8Array(16).fill(2) });
    expect(await reborn.ended).toMatchObject({
      code: RpcStatus.INVALID_ARGUMENT,
      message: "hello.boot_id: got another one on this stream, want the first one",
    });
    expect(await scrape(collector)).toContain('lifeline_collector_streams_refused_total{code="changed-node"} 2');
  });

  it("ends a stream that sends nothing for 10 s", async () => {
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    const { ended } = agent(collector.grpcPort);
    const streams = async () => (await scrape(collector)).includes("lifeline_collector_streams 1\n");
    await until(streams);
    clock.advance(HELLO_WITHIN_MS);
    const message = "message: got nothing for 10000 ms, want hello";
    expect(await ended).toMatchObject({ code: RpcStatus.DEADLINE_EXCEEDED, message });
  });

  it("replaces a node's older stream by the newer one, and counts it", async () => {
    const collector = await start();
    const older = agent(collector.grpcPort);
    await older.sendHello();
    await until(() => older.plans().length === 1);
    const newer = agent(collector.grpcPort);
    await newer.sendHello();
    expect(await older.ended).toMatchObject({ code: RpcStatus.ABORTED });
    await newer.report(1, reportOf(["answered"]));
    await until(() => newer.acked().length === 1);
    expect((await queries(collector).node("n1")).node?.connected).toBe(true);
    expect(await scrape(collector)).toContain("lifeline_collector_streams_replaced_total 1");
  });

  it("bounds the streams (S2)", async () => {
    const collector = await start({ maxStreams: 1 });
    const first = agent(collector.grpcPort);
    await first.sendHello();
    await until(() => first.plans().length === 1);
    const second = agent(collector.grpcPort, { nodeId: "n2" });
    await second.sendHello();
    expect(await second.ended).toMatchObject({ code: RpcStatus.RESOURCE_EXHAUSTED });
  });

  it("sends no plan to an agent that holds it", async () => {
    const collector = await start();
    const first = agent(collector.grpcPort);
    await first.sendHello();
    await until(() => first.plans().length === 1);
    const again = agent(collector.grpcPort, { planRevision: first.plans()[0]?.revision });
    await again.sendHello();
    await again.report(1, reportOf(["answered"]));
    await until(() => again.acked().length === 1);
    expect(again.plans()).toEqual([]);
  });

  it("admits no node that the store could not save, and goes on (U1)", async () => {
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    const locker = new DatabaseSync(join(directory, "data", "collector.db"));
    closers.push(() => locker.close());
    locker.exec("CREATE TRIGGER full BEFORE INSERT ON nodes BEGIN SELECT RAISE(ABORT, 'full'); END");
    const early = agent(collector.grpcPort);
    await early.sendHello();
    expect(await early.ended).toMatchObject({ code: RpcStatus.UNAVAILABLE });
    clock.advance(1_100);
    expect((await queries(collector).nodes()).nodes).toEqual([]);
    clock.advance(1_100);
    expect((await queries(collector).nodes()).nodes).toEqual([]);
    locker.exec("DROP TRIGGER full");
    const later = agent(collector.grpcPort);
    await later.sendHello();
    await until(() => later.plans().length === 1);
    expect((await queries(collector).nodes()).nodes).toHaveLength(1);
    await collector.stop();
  });

  it("drops optional facts that cannot be used, counts them, and admits the node", async () => {
    const collector = await start();
    const { sendHello, plans } = agent(collector.grpcPort, {
      hostname: "h".repeat(254),
      talosVersion: "v1\n",
      roles: [2, 3],
      ipVersions: [4, 5],
      siderolinkPrefix: "fdae::1",
      resolvers: ["10.0.0.1:53", "fd00::1%eth0", "10.0.0.2"],
      machineApi: "https://omni.example:8090?jointoken=secret",
      addresses: ["192.0.2.1", "2001:DB8::1", "2001:db8:0::1", "omni.example", ...addressesOf(20)],
      proxy: {
        httpsProxy: "http://user:secret@proxy.example:3128",
        httpProxy: "http://proxy.example:3128",
        noProxy: ["fdae::/64", "a\n", ...Array.from({ length: 70 }, (_, at) => `host${at}.example`)],
      },
      talos: { wireguardEndpoint: "203.0.113.1" },
    });
    await sendHello();
    await until(() => plans().length === 1);
    const text = await scrape(collector);
    const dropped = [...text.matchAll(/lifeline_collector_hello_facts_dropped_total\{field="([\w.]+)"\} (\d+)/g)];
    expect(dropped.map(([, field, count]) => `${field} ${count}`).sort()).toEqual([
      "addresses 7",
      "hostname 1",
      "ip_versions 1",
      "machine_api 1",
      "proxy.https_proxy 1",
      "proxy.no_proxy 8",
      "resolvers 2",
      "roles 1",
      "siderolink_prefix 1",
      "talos.wireguard_endpoint 1",
      "talos_version 1",
    ]);
    expect(text).not.toContain("secret");
    const reader = new DatabaseSync(join(directory, "data", "collector.db"), { readOnly: true });
    closers.push(() => reader.close());
    const kept = JSON.parse(String(reader.prepare("SELECT facts_json FROM nodes").get()?.facts_json));
    expect(kept).toEqual({
      nodeId: "n1",
      roles: ["talos-node"],
      families: [4],
      resolvers: ["10.0.0.2"],
      proxy: {
        http: { host: "proxy.example", port: 3_128 },
        noProxy: ["fdae::/64", ...Array.from({ length: 63 }, (_, at) => `host${at}.example`)],
      },
    });
    const seenFrom = JSON.parse(String(reader.prepare("SELECT seen_from_json FROM nodes").get()?.seen_from_json));
    expect(seenFrom).toEqual({
      addresses: ["192.0.2.1", "2001:db8::1", ...addressesOf(14)],
      peerAddress: "127.0.0.1",
    });
  });
});

describe("an address to listen at", () => {
  it.each(["listen", "httpListen"] as const)(
    "is refused by the name of its setting when it is taken: %s",
    async (setting) => {
      const taken = createServer();
      await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
      closers.push(() => new Promise((resolve) => taken.close(resolve)));
      const { port } = taken.address() as AddressInfo;
      await expect(start({ [setting]: { host: "127.0.0.1", port } })).rejects.toMatchObject({
        code: "bad-value",
        message: `${setting}: got "127.0.0.1:${port}", want a free port at an address of this host`,
      });
    },
  );

  it("is any free one for port 0, never a protocol's own", async () => {
    const [one, other] = [await start(), await start({ dataDir: join(directory, "other") })];
    expect(new Set([one.grpcPort, one.httpPort, other.grpcPort, other.httpPort]).size).toBe(4);
    expect([one, other].map(({ grpcPort }) => grpcPort > 1_023)).toEqual([true, true]);
  });
});

describe("verdicts", () => {
  it("change at once, open an incident at the true onset, and close it where the good run began", async () => {
    const collector = await start();
    const { sendHello, report } = agent(collector.grpcPort);
    const { verdicts, incidents, nodes } = queries(collector);
    await sendHello();
    const firstMs = Date.now();
    const tcp = async () => (await verdicts({ only: "api-*" })).rows[0];
    const settled = async (verdict: queryPb.Verdict) => {
      await until(async () => (await tcp())?.verdict === verdict);
      return tcp();
    };
    await report(1, reportOf(times(10, "answered"), firstMs - 20_000));
    expect(await settled(queryPb.Verdict.MET)).toMatchObject({
      nodeId: "n1",
      endpoint: "127.0.0.1:8443",
      probe: "tcp",
      ipVersion: 4,
      cause: "none",
    });
    await report(2, reportOf(times(5, "refused"), firstMs - 10_000));
    expect(await settled(queryPb.Verdict.UNMET)).toMatchObject({
      cause: "refused",
      sinceUnixMs: BigInt(firstMs - 14_001),
    });
    // An incident is written at its change and read from the store: it follows the verdict, which is in memory, by a
    // commit.
    const written = async (count: number) => {
      const open = async () => (await incidents({ openOnly: true })).incidents;
      await until(async () => (await open()).length === count);
      return open();
    };
    expect(await written(1)).toMatchObject([
      { nodeId: "n1", requirementId: "api-tcp", cause: "refused", startUnixMs: BigInt(firstMs - 14_001) },
    ]);
    expect((await nodes()).nodes).toMatchObject([{ verdict: queryPb.Verdict.UNMET, unmetRows: 1, unknownRows: 1 }]);
    await report(3, reportOf(times(3, "answered"), firstMs));
    await settled(queryPb.Verdict.MET);
    expect(await written(0)).toEqual([]);
    expect((await incidents()).incidents).toMatchObject([{ endUnixMs: BigInt(firstMs - 2_001) }]);
  });

  it.each([
    ["45 s behind", 45_000],
    ["3 min behind", 180_000],
    ["2 d ahead", -2 * 86_400_000],
  ])("judge a node whose clock is %s by its own clock, and show the offset", async (_, offsetMs) => {
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    const sentMs = () => clock.wallMs() - offsetMs;
    const { sendHello, report, acked, refusals } = agent(collector.grpcPort, { sentUnixMs: BigInt(sentMs()) });
    const { verdicts } = queries(collector);
    const tcp = async () => (await verdicts({ only: "api-*" })).rows[0]?.verdict;
    await sendHello();
    await report(1, reportOf(times(5, "answered"), sentMs()), BOOT, sentMs());
    await until(() => acked().length + refusals().length === 1);
    expect(refusals()).toEqual([]);
    clock.advance(100);
    expect(await tcp()).toBe(queryPb.Verdict.MET);
    expect(await scrape(collector)).toContain(`lifeline_agent_clock_offset_seconds{node="n1"} ${offsetMs / 1_000}\n`);
    clock.advance(40_000);
    expect(await tcp()).toBe(queryPb.Verdict.UNKNOWN);
    await collector.stop();
    const again = await start({}, clock);
    expect(await scrape(again)).toContain(`lifeline_agent_clock_offset_seconds{node="n1"} ${offsetMs / 1_000}\n`);
    await again.stop();
  });

  it("follow a node's clock that is set back by an hour in mid-stream", async () => {
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    let setBackMs = 0;
    const sentMs = () => clock.wallMs() - setBackMs;
    const { sendHello, report, acked } = agent(collector.grpcPort, { sentUnixMs: BigInt(sentMs()) });
    const { verdicts } = queries(collector);
    await sendHello();
    const send = async (sequence: number, reasons: readonly Reason[]) => {
      await report(sequence, reportOf(reasons, sentMs()), BOOT, sentMs());
      await until(() => acked().length === sequence);
      clock.advance(100);
      return (await verdicts({ only: "api-*" })).rows[0]?.verdict;
    };
    expect(await send(1, times(5, "answered"))).toBe(queryPb.Verdict.MET);
    clock.advance(10_000);
    setBackMs = 3_600_000;
    expect(await send(2, times(5, "refused"))).toBe(queryPb.Verdict.UNMET);
    clock.advance(10_000);
    expect(await send(3, times(5, "answered"))).toBe(queryPb.Verdict.MET);
    clock.advance(40_000);
    expect((await verdicts({ only: "api-*" })).rows[0]?.verdict).toBe(queryPb.Verdict.UNKNOWN);
    await collector.stop();
  });

  it("of a backlog are dated by its own times: an outage while the collector was away is an incident (J1)", async () => {
    const collector = await start();
    const { sendHello, report, acked } = agent(collector.grpcPort);
    const { incidents, verdicts } = queries(collector);
    await sendHello();
    const nowMs = Date.now();
    // Live reports and the backlog take turns, as an agent sends them.
    await report(50, reportOf(times(5, "answered"), nowMs), BOOT, nowMs);
    await report(1, reportOf(times(10, "answered"), nowMs - 3_600_000), BOOT, nowMs);
    await report(2, reportOf(times(10, "refused"), nowMs - 3_590_000), BOOT, nowMs);
    await report(51, reportOf(times(5, "answered"), nowMs), BOOT, nowMs);
    await report(3, reportOf(times(10, "refused"), nowMs - 3_580_000), BOOT, nowMs);
    await report(4, reportOf(times(10, "answered"), nowMs - 3_570_000), BOOT, nowMs);
    await report(5, reportOf(times(10, "answered"), nowMs - 3_560_000), BOOT, nowMs);
    await until(() => acked().length === 7);
    const all = (await incidents()).incidents;
    expect(all).toMatchObject([
      {
        cause: "refused",
        startUnixMs: BigInt(nowMs - 3_590_000 - 9_001),
        endUnixMs: BigInt(nowMs - 3_570_000 - 9_001),
      },
    ]);
    expect(all).toHaveLength(1);
    expect((await verdicts({ only: "api-*" })).rows[0]?.verdict).toBe(queryPb.Verdict.MET);
  });

  it("of a backlog close an incident whose end is in live reports", async () => {
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    const { sendHello, report, acked } = agent(collector.grpcPort);
    const { incidents } = queries(collector);
    await sendHello();
    const nowMs = clock.wallMs();
    await report(1, reportOf(times(10, "refused"), nowMs - 600_000), BOOT, nowMs);
    await until(() => {
      clock.advance(30);
      return acked().length === 1;
    });
    await report(2, reportOf(times(5, "answered"), nowMs), BOOT, nowMs);
    await until(() => acked().length === 2);
    expect((await incidents({ openOnly: true })).incidents).toHaveLength(1);
    for (let second = 0; second < 15; second++) clock.advance(1_000);
    expect((await incidents()).incidents).toMatchObject([{ endUnixMs: BigInt(nowMs - 4_001) }]);
    await collector.stop();
  });

  it("of a backlog separate two outages that live reports alone would join", async () => {
    const clock = manualClock(Date.now() - 600_000);
    const collector = await start({}, clock);
    const { incidents } = queries(collector);
    const firstMs = clock.wallMs();
    const before = agent(collector.grpcPort);
    await before.sendHello();
    await before.report(1, reportOf(times(5, "refused"), firstMs), BOOT, firstMs);
    await until(() => before.acked().length === 1);
    await incidents();
    before.call.cancel();
    await before.ended;
    clock.advance(600_000);
    const nowMs = clock.wallMs();
    const after = agent(collector.grpcPort);
    await after.sendHello();
    await after.report(9, reportOf(times(5, "refused"), nowMs), BOOT, nowMs);
    await until(() => after.acked().length === 1);
    await incidents();
    await after.report(2, reportOf(times(10, "answered"), firstMs + 300_000), BOOT, nowMs);
    await until(() => {
      clock.advance(30);
      return after.acked().length === 2;
    });
    clock.advance(60);
    const found = (await incidents()).incidents;
    expect(found.map(({ startUnixMs, endUnixMs }) => [Number(startUnixMs), endUnixMs && Number(endUnixMs)])).toEqual([
      [nowMs - 4_001, undefined],
      [firstMs - 4_001, firstMs + 300_000 - 9_001],
    ]);
    await collector.stop();
  });

  it("name the row that a symptom follows from", async () => {
    writeFileSync(
      join(directory, "catalogue.yaml"),
      CATALOGUE.replace(
        "probes: [{ probe: tcp, acceptReset: false }]",
        "probes: [{ probe: tcp, acceptReset: false }, { probe: grpc, trust: public, expect: { method: /a.B/C, status: 12, message: '*' } }]",
      ),
    );
    const collector = await start();
    const { sendHello, report, acked } = agent(collector.grpcPort);
    await sendHello();
    const atMs = Date.now();
    const over = "api-tcp|grpc|127.0.0.1:8443|ipv4";
    await report(1, reportOf(times(5, "refused"), atMs));
    await report(2, reportOf(times(5, "refused"), atMs, over));
    await until(() => acked().length === 2);
    const { rows } = await queries(collector).verdicts({ only: "api-tcp" });
    expect(rows.map(({ probe, followsFrom }) => [probe, followsFrom])).toEqual([
      ["tcp", ""],
      ["grpc", TCP],
    ]);
  });

  it("include the last acknowledged report, though no timer of the judge has fired", async () => {
    // No timer runs while this clock stands still.
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    const { sendHello, report, acked } = agent(collector.grpcPort);
    await sendHello();
    await report(1, reportOf(times(5, "refused"), clock.wallMs()));
    await until(() => acked().length === 1);
    const { rows } = await queries(collector).verdicts({ only: "api-tcp" });
    expect(rows[0]?.verdict).toBe(queryPb.Verdict.UNMET);
    const stopped = collector.stop();
    clock.advance(5_000);
    await stopped;
  });

  it("become unknown when reports stop, and the incident stays open (M4)", async () => {
    const clock = manualClock(Date.now());
    const collector = await start({}, clock);
    const { sendHello, report, acked } = agent(collector.grpcPort);
    await sendHello();
    await report(1, reportOf(times(5, "refused"), clock.wallMs()));
    await until(() => acked().length === 1);
    const { verdicts, incidents } = queries(collector);
    const verdict = async () => (await verdicts({ only: "api-tcp" })).rows[0]?.verdict;
    clock.advance(1_000);
    expect(await verdict()).toBe(queryPb.Verdict.UNMET);
    clock.advance(30_000);
    expect(await verdict()).toBe(queryPb.Verdict.UNKNOWN);
    expect((await incidents({ openOnly: true })).incidents).toHaveLength(1);
    await collector.stop();
  });

  it("that rest on the node's facts become unknown when it is silent, and are back with its next report (M4)", async () => {
    const catalogue = join(directory, "checks.yaml");
    const rows = [requirementRow("api-tcp", "api", "tcp", "{ probe: tcp, acceptReset: false }")];
    writeFileSync(
      catalogue,
      catalogueOf(...rows, checkRow("node-clock", "clock"), checkRow("node-unique", "unique-node")),
    );
    const clock = manualClock(Date.now());
    const collector = await start({ catalogue }, clock);
    const { sendHello, report, acked } = agent(collector.grpcPort, { sentUnixMs: BigInt(clock.wallMs()) });
    await sendHello();
    await report(1, reportOf(times(5, "answered"), clock.wallMs()), BOOT, clock.wallMs());
    await until(() => acked().length === 1);
    const { verdicts } = queries(collector);
    const said = async () => (await verdicts({ only: "node-*" })).rows.map(({ verdict, cause }) => [verdict, cause]);
    const { MET, UNKNOWN } = queryPb.Verdict;
    clock.advance(1_000);
    expect(await said()).toEqual([
      [MET, "none"],
      [MET, "none"],
    ]);
    clock.advance(28_000);
    expect(await said()).toEqual([
      [MET, "none"],
      [MET, "none"],
    ]);
    clock.advance(3_000);
    expect(await said()).toEqual([
      [UNKNOWN, "no-data"],
      [UNKNOWN, "no-data"],
    ]);
    await report(2, reportOf(times(5, "answered"), clock.wallMs()), BOOT, clock.wallMs());
    await until(() => acked().length === 2);
    clock.advance(1_000);
    expect(await said()).toEqual([
      [MET, "none"],
      [MET, "none"],
    ]);
    await collector.stop();
  });

  it("become unknown when reports stop, even if the collector's clock was set back by forty days meanwhile (M4)", async () => {
    const clock = manualClock(Date.now() + 40 * 86_400_000);
    const collector = await start({}, clock);
    const sentMs = clock.wallMs() - 40 * 86_400_000;
    const { sendHello, report, acked } = agent(collector.grpcPort, { sentUnixMs: BigInt(sentMs) });
    await sendHello();
    await report(1, reportOf(times(5, "answered"), sentMs), BOOT, sentMs);
    await until(() => acked().length === 1);
    const { verdicts } = queries(collector);
    const verdict = async () => (await verdicts({ only: "api-tcp" })).rows[0]?.verdict;
    expect(await verdict()).toBe(queryPb.Verdict.MET);
    clock.stepWall(-40 * 86_400_000);
    clock.advance(60_000);
    expect(await verdict()).toBe(queryPb.Verdict.UNKNOWN);
    await collector.stop();
  });

  it("are the same after a restart, with everything that was acknowledged", async () => {
    const first = await start();
    const { sendHello, report, acked } = agent(first.grpcPort);
    await sendHello();
    const atMs = Date.now();
    await report(1, reportOf(times(5, "refused"), atMs));
    await until(() => acked().length === 1);
    const before = await queries(first).node("n1");
    await first.stop();
    const second = await start();
    const after = await queries(second).node("n1");
    expect(after.rows).toEqual(before.rows);
    expect(after.rows[0]).toMatchObject({ verdict: queryPb.Verdict.UNMET, cause: "refused" });
    expect(after.boots).toEqual(before.boots);
    expect(after.incidents).toEqual(before.incidents);
    expect(after.node).toEqual({ ...before.node, connected: false });
    expect((await queries(second).incidents()).incidents).toHaveLength(1);
  });
});

describe("queries", () => {
  it("page through rows and nodes without losing or repeating any, and take shell-style patterns", async () => {
    const collector = await start();
    for (const nodeId of ["a", "b", "c"]) {
      const { sendHello, report, acked } = agent(collector.grpcPort, { nodeId });
      await sendHello();
      await report(1, reportOf(times(3, "answered")));
      await until(() => acked().length === 1);
    }
    const api = async () => (await queries(collector).verdicts({ only: "api-*" })).rows;
    await until(async () => (await api()).every(({ verdict }) => verdict !== queryPb.Verdict.UNKNOWN));
    const { verdicts, nodes } = queries(collector);
    const seen: string[] = [];
    let pageToken = "";
    for (let pages = 0; pages < 10; pages++) {
      const page = await verdicts({ pageSize: 2, pageToken });
      seen.push(...page.rows.map(({ nodeId, requirementId }) => `${nodeId} ${requirementId}`));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(seen).toEqual(["a", "b", "c"].flatMap((id) => [`${id} api-tcp`, `${id} siderolink-udp`]));
    expect((await verdicts({ only: "*udp", nodeId: "b" })).rows).toMatchObject([
      { nodeId: "b", requirementId: "siderolink-udp" },
    ]);
    expect((await verdicts({ only: "api" })).rows).toEqual([]);
    const first = await nodes({ pageSize: 2 });
    const rest = await nodes({ pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.nodes, ...rest.nodes].map(({ nodeId }) => nodeId)).toEqual(["a", "b", "c"]);
    expect(rest.nextPageToken).toBe("");
  });

  it.each([
    ["verdicts", { pageSize: 10_001 }, "page_size: got 10001, want at most 10000"],
    ["verdicts", { only: "*".repeat(257) }, "only: got 257 characters, want at most 256"],
    ["verdicts", { pageToken: "%%%" }, 'page_token: got "%%%", want the next_page_token of the page before'],
    ["nodes", { pageToken: "W10" }, 'page_token: got "W10", want the next_page_token of the page before'],
    [
      "incidents",
      { pageToken: "WyJhIiwiYiJd" },
      'page_token: got "WyJhIiwiYiJd", want the next_page_token of the page before',
    ],
  ] as const)("refuse %s of %o", async (method, request, message) => {
    await expect(queries(await start())[method](request)).rejects.toMatchObject({
      code: RpcStatus.INVALID_ARGUMENT,
      message,
    });
  });

  it("give history with the figures of a verdict's row, before and after roll-up and a restart", async () => {
    const wallMs = Date.now();
    const ahead = manualClock(wallMs);
    const collector = await start({}, ahead);
    const { sendHello, report, acked } = agent(collector.grpcPort);
    // The node's clock is an hour ahead, and its history uses that clock.
    const sealedAtMs = wallMs + 3_600_000;
    await sendHello({ sentUnixMs: BigInt(sealedAtMs) });
    await report(1, reportOf([...times(7, "answered"), ...times(3, "timeout")], sealedAtMs), BOOT, sealedAtMs);
    await until(() => acked().length === 1);
    const [row] = (await queries(collector).verdicts({ only: "api-*" })).rows;
    const figures = { sent: 10n, lost: 3n, lossRatio: 0.3, rttMaxNs: 1_000_000n };
    expect(row).toMatchObject(figures);
    const fromUnixMs = BigInt(sealedAtMs - 60_000);
    const historyOf = async (from: { grpcPort: number }, stepSeconds: number) =>
      (await queries(from).history({ fromUnixMs, stepSeconds })).targets;
    const before = await Promise.all([10, 60, 3_600].map((stepSeconds) => historyOf(collector, stepSeconds)));
    for (const targets of before)
      expect(targets).toMatchObject([
        { requirementId: "api-tcp", targetId: TCP, points: [{ ...figures, rttP95Ns: row?.rttP95Ns }] },
      ]);
    expect(await scrape(collector)).toContain("lifeline_collector_rollup_pending_reports Nan\n");
    await collector.stop();

    const later = manualClock(wallMs + 601_000);
    const second = await start({}, later);
    later.advance(50);
    const rolled = async () => (await scrape(second)).includes("lifeline_collector_rollup_reports_total 1");
    await until(rolled);
    const text = await scrape(second);
    expect(text).toContain("lifeline_collector_rollup_reports_total 1\n");
    expect(text).toContain("lifeline_collector_rollup_pending_reports 0\n");
    const after = await Promise.all([10, 60, 3_600].map((stepSeconds) => historyOf(second, stepSeconds)));
    expect(after).toEqual(before);
  });

  it("know no node that has not reported", async () => {
    const message = 'node_id: got "x", want a node that has reported';
    const client = queries(await start());
    await expect(client.node("x")).rejects.toMatchObject({ code: RpcStatus.NOT_FOUND, message });
    await expect(client.verdicts({ nodeId: "x" })).rejects.toMatchObject({ code: RpcStatus.NOT_FOUND });
  });
});

describe("HTTP", () => {
  it("serves metrics that Prometheus can read", async () => {
    const collector = await start();
    const { sendHello, report, acked } = agent(collector.grpcPort);
    await sendHello();
    await report(1, reportOf([...times(6, "answered"), "timeout", "answered", "refused", "answered"]));
    await until(() => acked().length === 1);
    // A query judges what waits; a scrape does not.
    await queries(collector).verdicts();
    const text = await scrape(collector);
    const declared = new Map<string, string>();
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("# HELP ")) continue;
      const [, name = "", type = ""] = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line) ?? [];
      if (name !== "") {
        expect(declared.has(name), line).toBe(false);
        expect(name.endsWith("_total"), line).toBe(type === "counter");
        declared.set(name, type);
        continue;
      }
      const sample = /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$/.exec(line);
      expect(sample, line).not.toBeNull();
      const base = sample?.[1]?.replace(/_(bucket|sum|count)$/, "") ?? "";
      expect(declared.has(sample?.[1] ?? "") || declared.has(base), line).toBe(true);
      expect(Number.isNaN(Number(sample?.[3]?.replace("Nan", ""))), line).toBe(false);
    }
    const labels = 'node="n1",requirement="api-tcp",probe="tcp",endpoint="127.0.0.1:8443",ip="4",proxy=""';
    for (const line of [
      `lifeline_requirement_verdict{${labels},obligation="required",verdict="met"} 1`,
      `lifeline_requirement_verdict{${labels},obligation="required",verdict="unmet"} 0`,
      `lifeline_probe_attempts_total{${labels}} 10`,
      `lifeline_probe_lost_total{${labels}} 1`,
      `lifeline_probe_failures_total{${labels},cause="refused"} 1`,
      `lifeline_probe_failures_total{${labels},cause="timeout"} 1`,
      `lifeline_probe_rtt_seconds_bucket{${labels},le="0.000524288"} 0`,
      `lifeline_probe_rtt_seconds_bucket{${labels},le="0.001048576"} 8`,
      `lifeline_probe_rtt_seconds_bucket{${labels},le="+Inf"} 8`,
      `lifeline_probe_rtt_seconds_count{${labels}} 8`,
      `lifeline_probe_rtt_seconds_sum{${labels}} 0.008`,
      'lifeline_catalogue_info{version="v1.13",deployment="test"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    for (const [name, type] of declared) if (type === "counter") expect(name).toMatch(/_total$/);
    expect(text).toMatch(/lifeline_agent_last_seen_timestamp_seconds\{node="n1"\} 1\d{9}(\.\d+)?\n/);
  });

  it("answers health, readiness, and nothing else", async () => {
    const { httpPort } = await start();
    const status = async (path: string, method = "GET") =>
      (await fetch(`http://127.0.0.1:${httpPort}${path}`, { method, headers: { connection: "close" } })).status;
    expect(await status("/healthz")).toBe(200);
    expect(await status("/readyz")).toBe(200);
    expect(await status("/metrics", "POST")).toBe(405);
    expect(await status("/")).toBe(404);
  });

  it("answers under its own names only, and counts requests for other hosts", async () => {
    const { httpPort } = await start({ httpNames: ["collector.example"] });
    const statusUnder = (host: string) =>
      new Promise((resolve, reject) => {
        const sent = request({ port: httpPort, host: "127.0.0.1", path: "/metrics", headers: { host } });
        sent.on("response", (response) => resolve(response.resume().statusCode));
        sent.on("error", reject).end();
      });
    expect(await statusUnder("collector.example:9471")).toBe(200);
    expect(await statusUnder("evil.example")).toBe(421);
    const text = await (
      await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })
    ).text();
    expect(text).toContain('lifeline_collector_http_requests_refused_total{reason="unknown-host"} 1\n');
  });
});

describe("the program", () => {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  function run(args: readonly string[]) {
    const child = spawn(process.execPath, ["--conditions=lifeline:source", main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const exit = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    return { child, exit, output: () => output };
  }

  async function serve(ready: string) {
    const { dataDir, deployment, catalogue = "" } = testConfig(directory);
    const flags = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", dataDir];
    const program = run([...flags, "--deployment", deployment, "--catalogue", catalogue, "--ready-file", ready]);
    await until(() => existsSync(ready)).catch((error: Error) => {
      throw new Error(`${error.message}\n${program.output()}`);
    });
    return {
      ...program,
      ...(JSON.parse(readFileSync(ready, "utf8")) as { pid: number; grpcPort: number; httpPort: number }),
    };
  }

  it("loses no acknowledged report to kill -9, and counts none twice (U1)", async () => {
    const acknowledged = new Set<number>();
    for (const round of [1, 2]) {
      const program = await serve(join(directory, `ready-${round}`));
      const { sendHello, report, acked, ended } = agent(program.grpcPort);
      await sendHello();
      const first = round === 1 ? 1 : 50;
      for (let sequence = first; sequence < first + 100; sequence++)
        void report(sequence, reportOf(["answered"])).catch(() => {});
      await until(() => acked().length >= 30);
      program.child.kill("SIGKILL");
      await Promise.all([program.exit, ended]);
      for (const sequence of acked()) acknowledged.add(sequence);
    }
    const database = new DatabaseSync(join(directory, "data", "collector.db"));
    closers.push(() => database.close());
    const stored = database
      .prepare("SELECT sequence FROM reports")
      .all()
      .map(({ sequence }) => Number(sequence));
    expect(stored).toHaveLength(new Set(stored).size);
    expect([...acknowledged].filter((sequence) => !stored.includes(sequence))).toEqual([]);
    expect(database.prepare("SELECT reports FROM boots").get()).toEqual({ reports: stored.length });
  });

  it("logs where it listens, stops within 3 s of SIGTERM, and exits 0", async () => {
    const program = await serve(join(directory, "ready"));
    expect(program.pid).toBe(program.child.pid);
    const { sendHello, plans, ended } = agent(program.grpcPort);
    await sendHello();
    // Node would open its inspector on it, and say so in a line that is no JSON.
    program.child.kill("SIGUSR1");
    await until(() => plans().length === 1);
    program.child.kill("SIGTERM");
    expect(await program.exit).toBe(0);
    expect(await ended).toBeInstanceOf(RpcError);
    const lines = program
      .output()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(expect.objectContaining({ grpcPort: program.grpcPort, httpPort: program.httpPort }));
  });

  it("exits 2 with the problem when its configuration or its catalogue cannot be used", async () => {
    const bad = run(["--max-streams", "0"]);
    expect(await bad.exit).toBe(2);
    expect(bad.output()).toContain("want an integer from 1 to 20000");
    writeFileSync(join(directory, "catalogue.yaml"), "schema: 2");
    const { dataDir, deployment, catalogue = "" } = testConfig(directory);
    const other = run(["--data-dir", dataDir, "--deployment", deployment, "--catalogue", catalogue]);
    expect(await other.exit).toBe(2);
    expect(other.output()).toContain("catalogue.yaml: schema: got 2");
  });
});
