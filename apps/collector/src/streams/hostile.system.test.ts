/** Hostile input from an admitted node: a table of single messages, then sequences of messages. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Stream, connect as http2Connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { manualClock, systemClock } from "@lifeline/measure";
import { channelCredentials, createRpcClient, RpcStatus } from "@lifeline/rpc";
import { encodeReport, NO_SELF_METRICS, queryPb } from "@lifeline/wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Collector } from "../collector.ts";
import { MAX_RECENT_WINDOWS } from "../fleet/recent-windows.ts";
import { DAY_TARGETS_MAX } from "../fleet/target-budget.ts";
import { SETTLE_MS } from "../judging/judging.ts";
import { openStore } from "../store/store.ts";
import { metricOf, startIn, untilMetric } from "../testing/collector-fixture.ts";
import { catalogueOf, requirementRow, TARGET, writeDeployment } from "../testing/deployment-fixture.ts";
import { BOOT, dialAs } from "../testing/node-fixture.ts";
import { reportBytes, windowOfOne } from "../testing/report-fixture.ts";
import { EVENT_WITHIN_MS, until } from "../testing/wait.ts";
import { SILENT_MAX_MS } from "./agent-stream.ts";
import { HELLO_RATE } from "./quota-limits.ts";

let directory = "";
const closers: (() => Promise<unknown> | unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-hostile-"));
  writeDeployment(directory);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true });
});

async function start(clock = systemClock, lines: string[] = []): Promise<Collector> {
  const collector = await startIn(directory, clock, lines);
  closers.push(() => collector.stop());
  return collector;
}

function dial(port: number, nodeId = "n1") {
  const agent = dialAs(port, nodeId);
  closers.push(() => agent.close());
  return agent;
}

/** An admitted node. */
async function admitted(collector: Collector, nodeId = "n1") {
  const agent = dial(collector.grpcPort, nodeId);
  await agent.hello();
  await until(() => agent.plans().length === 1);
  return agent;
}

/** The number that a query of the database gives. */
function stored(sql: string): number {
  const reader = new DatabaseSync(join(directory, "data", "collector.db"), { readOnly: true });
  try {
    return Number(Object.values(reader.prepare(sql).get() ?? {})[0]);
  } finally {
    reader.close();
  }
}

async function metrics({ httpPort }: Collector): Promise<string> {
  return (await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })).text();
}

const refused = (code: string) => `lifeline_collector_reports_refused_total{code="${code}"}`;
const result = (word: string) => `lifeline_collector_reports_total{result="${word}"}`;
const ended = (code: string) => `lifeline_collector_streams_refused_total{code="${code}"}`;

const ESCAPE = "\u001b[2J\u001b]0;owned\u0007";
const nowMs = Date.now();
const targets = (count: number) => Array.from({ length: count }, (_, at) => windowOfOne(nowMs, `t${at}`));
const report = (windows: readonly ReturnType<typeof windowOfOne>[], sealedAtMs = nowMs) =>
  encodeReport({ sealedAtMs, windows, selfMetrics: NO_SELF_METRICS });
const good = () => reportBytes({ sealedAtMs: nowMs });

describe("a report that is dated two days ahead", () => {
  const labels = 'node="n1",requirement="api-tcp",probe="tcp",endpoint="127.0.0.1:8443",ip="4",proxy=""';
  const isMet = `lifeline_requirement_verdict{${labels},obligation="required",verdict="met"}`;

  it("is kept and counted, and does not affect verdicts, now and after a restart", async () => {
    const clock = manualClock(nowMs);
    const collector = await start(clock);
    const agent = await admitted(collector);
    const aheadMs = nowMs + 48 * 3_600_000;
    // As many as the recent windows hold.
    const refusals = Array.from({ length: MAX_RECENT_WINDOWS }, () => windowOfOne(aheadMs, TARGET, "refused"));
    await agent.report(1, report([windowOfOne(nowMs)], nowMs));
    await agent.report(2, report([windowOfOne(nowMs)], aheadMs));
    await agent.report(3, report(refusals, aheadMs));
    await until(() => agent.acked().length === 3);
    expect(await metricOf(collector, "lifeline_collector_reports_future_dated_total")).toBe(2);
    expect(stored("SELECT count(*) FROM reports")).toBe(3);
    clock.advance(2 * SETTLE_MS);
    await untilMetric(collector, isMet, 1);
    await collector.stop();
    const again = await start(clock);
    await untilMetric(again, isMet, 1);
    await again.stop();
  });
});

describe("a report that can never be admitted", () => {
  it.each([
    ["of bytes that are none", { bytes: new Uint8Array([255, 8, 8, 255]) }, "malformed", "report"],
    ["of 1,025 windows", { bytes: withEmptyWindows(report(times(1_024)), 1) }, "malformed", "windows"],
    ["of two million empty windows", { bytes: withEmptyWindows(good(), 2_000_000) }, "malformed", "windows"],
    ["of two million unknown fields", { bytes: withEmpty(good(), 15, 2_000_000) }, "malformed", "report"],
    ["that says twice what it says once", { bytes: twice(good()) }, "malformed", "sealed_unix_ms"],
    ["of 513 targets", { bytes: report(targets(513)) }, "malformed", "target_ids"],
    [
      "that ends before it starts",
      { bytes: report([{ ...windowOfOne(nowMs), endMs: 1 }]) },
      "malformed",
      "windows[0].end_unix_ms",
    ],
    [
      "with an escape sequence for a target",
      { bytes: reportBytes({ sealedAtMs: nowMs, targetId: ESCAPE }) },
      "malformed",
      "target_ids[0]",
    ],
    [
      "with an escape sequence for evidence",
      { bytes: reportBytes({ sealedAtMs: nowMs, evidence: { code: ESCAPE } }) },
      "malformed",
      "windows[0].last.evidence.code",
    ],
    [
      "with a C1 escape for evidence",
      { bytes: reportBytes({ sealedAtMs: nowMs, evidence: { alpn: "\u009b2J" } }) },
      "malformed",
      "windows[0].last.evidence.alpn",
    ],
    [
      "with evidence of 257 characters",
      { bytes: reportBytes({ sealedAtMs: nowMs, evidenceChars: 257 }) },
      "malformed",
      "windows[0].last.evidence.code",
    ],
    [
      "dated before 1970, which a uint64 holds as 2^64 less so much",
      { bytes: report([windowOfOne(nowMs)], 2 ** 64 - 2_048) },
      "malformed",
      "sealed_unix_ms",
    ],
    ["dated after 2100", { bytes: report([windowOfOne(nowMs)], Date.UTC(2100, 0, 2)) }, "malformed", "sealed_unix_ms"],
    ["of sequence 0", { sequence: 0n }, "malformed", "sequence"],
    ["of sequence 2^53", { sequence: 2n ** 53n }, "malformed", "sequence"],
    ["of sequence 2^64 − 1", { sequence: 2n ** 64n - 1n }, "malformed", "sequence"],
    ["of a boot of 17 bytes", { bootId: new Uint8Array(17) }, "malformed", "boot_id"],
  ])(
    "%s is refused by name and counted; nothing of it is kept, and the stream goes on",
    async (_, what, code, field) => {
      const {
        bytes = good(),
        sequence = 1n,
        bootId = BOOT,
      }: { bytes?: Uint8Array; sequence?: bigint; bootId?: Uint8Array } = what;
      const lines: string[] = [];
      const collector = await start(systemClock, lines);
      const agent = await admitted(collector);
      await agent.report(sequence, bytes, { bootId });
      await agent.report(7, reportBytes({ sealedAtMs: Date.now() }));
      await until(() => agent.acked().length === 1 && agent.refusals().length === 1);
      expect(agent.refusals()).toMatchObject([{ code, field, report: { sequence } }]);
      expect(await metricOf(collector, refused(code))).toBe(1);
      expect(stored("SELECT count(*) FROM reports")).toBe(1);
      const shown = (await metrics(collector)) + lines.join("");
      expect(shown).not.toContain("owned");
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      expect(shown + agent.refusals()[0]?.detail).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    },
  );
});

describe("a report that would expand to gigabytes", () => {
  it("takes no more memory than its bytes, and delays no other node", async () => {
    const collector = await start();
    const [agent, honest] = [await admitted(collector), await admitted(collector, "n2")];
    const beforeKb = process.resourceUsage().maxRSS;
    const bomb = withEmptyWindows(good(), 2_000_000);
    for (let sequence = 1; sequence <= 8; sequence++) await agent.report(sequence, bomb);
    await honest.report(1, reportBytes({ sealedAtMs: Date.now() }));
    await until(() => agent.refusals().length === 8 && honest.acked().length === 1);
    expect(await metricOf(collector, refused("malformed"))).toBe(8);
    // Each is 4 MB, held by the client, both ends of the socket and the server; opened it is 2.4 GB.
    expect((process.resourceUsage().maxRSS - beforeKb) / 1_000).toBeLessThan(400);
  });
});

describe("a malformed message", () => {
  it.each([
    [
      "larger than a message may be",
      RpcStatus.RESOURCE_EXHAUSTED,
      (stream: ClientHttp2Stream) => stream.write(framed(Buffer.alloc(5 * 1024 * 1024))),
    ],
    [
      "of bytes that are no message",
      RpcStatus.INVALID_ARGUMENT,
      (stream: ClientHttp2Stream) => stream.write(framed(Buffer.alloc(64, 255))),
    ],
    [
      "that would become too much: it has a million resolvers",
      RpcStatus.INVALID_ARGUMENT,
      (stream: ClientHttp2Stream) =>
        stream.write(framed(withEmpty(Buffer.from([0x0a, 0x80, 0x89, 0x7a]), 11, 1_000_000))),
    ],
  ])("%s ends only its stream, and is counted", async (_, status, say) => {
    const collector = await start();
    const { stream, trailers } = await raw(collector);
    const honest = await admitted(collector, "n2");
    stream.resume();
    say(stream);
    expect(await trailers).toBe(String(status));
    await untilMetric(collector, "lifeline_collector_streams_cut_total", 1);
    await honest.report(1, reportBytes({ sealedAtMs: Date.now() }));
    await until(() => honest.acked().length === 1);
  });

  it("that arrives byte by byte is cut off after 15 min", async () => {
    const clock = manualClock(Date.now());
    const collector = await start(clock);
    const { stream, trailers } = await raw(collector);
    await new Promise((resolve) => stream.once("data", resolve));
    const whole = framed(Buffer.alloc(1_000));
    let at = 0;
    for (let minute = 0; minute < 14; minute++) {
      stream.write(whole.subarray(at, ++at));
      clock.advance(60_000);
    }
    expect(await metricOf(collector, "lifeline_collector_streams")).toBe(1);
    clock.advance(SILENT_MAX_MS - 14 * 60_000);
    expect(await trailers).toBe(String(RpcStatus.DEADLINE_EXCEEDED));
    expect(await metricOf(collector, ended("silent"))).toBe(1);
    expect(await metricOf(collector, "lifeline_collector_streams")).toBe(0);
  });
});

describe("a node that repeats or contradicts itself", () => {
  it("counts once: other bytes under the same key are counted as conflicting, and are not judged", async () => {
    const collector = await start();
    const agent = await admitted(collector);
    const lateMs = Date.now() - 600_000;
    const first = reportBytes({ sealedAtMs: lateMs });
    await agent.report(1, first);
    await agent.report(1, first);
    for (let time = 0; time < 5; time++)
      await agent.report(1, reportBytes({ sealedAtMs: lateMs + time, reason: "refused" }));
    await until(() => agent.acked().length === 7);
    expect(await metricOf(collector, result("stored"))).toBe(1);
    expect(await metricOf(collector, result("duplicate"))).toBe(1);
    expect(await metricOf(collector, result("conflicting"))).toBe(5);
    expect(stored("SELECT sum(length(payload)) FROM reports")).toBe(first.length);
    expect(stored("SELECT duplicates FROM boots")).toBe(6);
    expect(stored("SELECT count(*) FROM incidents")).toBe(0);
  });

  it("may send sequences in any order, with gaps: each is kept, and the gaps are counted as missing", async () => {
    const collector = await start();
    const agent = await admitted(collector);
    for (const sequence of [900, 5, 2 ** 53 - 1, 6, 4]) await agent.report(sequence, good());
    await until(() => agent.acked().length === 5);
    const client = createRpcClient(
      queryPb.QueryService,
      `127.0.0.1:${collector.grpcPort}`,
      channelCredentials.createInsecure(),
    );
    closers.push(() => client.close());
    const { boots } = await client.unary("getNode", { nodeId: "n1" }, { timeoutMs: EVENT_WITHIN_MS });
    expect(boots).toMatchObject([
      { firstSequence: 4n, lastSequence: BigInt(2 ** 53 - 1), reports: 5n, missingReports: BigInt(2 ** 53 - 1) - 8n },
    ]);
  });

  it("does not change the clock offset by a report dated 1970", async () => {
    const collector = await start();
    const agent = await admitted(collector);
    await agent.report(1, reportBytes({ sealedAtMs: 1_000, reason: "refused" }), { sentMs: Date.now() });
    await agent.report(2, reportBytes({ sealedAtMs: Date.now() }), { sentMs: Date.now() });
    await until(() => agent.acked().length === 2);
    expect(await metricOf(collector, result("stored"))).toBe(2);
    const offset = await metricOf(collector, 'lifeline_agent_clock_offset_seconds{node="n1"}');
    expect(Math.abs(offset)).toBeLessThan(10);
  });

  it("creates neither rows nor series for targets outside its plan", async () => {
    const collector = await start();
    const agent = await admitted(collector);
    await agent.report(1, report(targets(512)));
    await agent.report(2, report(targets(512).map((window) => ({ ...window, targetId: `other-${window.targetId}` }))));
    await until(() => agent.acked().length === 2);
    expect(stored("SELECT count(*) FROM targets") + stored("SELECT count(*) FROM windows")).toBe(0);
    expect(await metrics(collector)).not.toMatch(/other-t|"t\d/);
    expect(await metricOf(collector, 'lifeline_collector_overflows_total{what="unplanned-windows"}')).toBe(1_024);
  });

  it("with thousands of boots has no more rows than reports, and bounded memory and answers", async () => {
    const collector = await start();
    const agent = await admitted(collector);
    for (let at = 0; at < 2_000; at++) {
      const bootId = new Uint8Array(16);
      new DataView(bootId.buffer).setUint32(0, at);
      await agent.report(1, good(), { bootId });
    }
    for (const count of [500, 1_000, 1_500, 2_000]) await until(() => agent.acked().length >= count);
    expect(stored("SELECT count(*) FROM boots")).toBe(2_000);
    const client = createRpcClient(
      queryPb.QueryService,
      `127.0.0.1:${collector.grpcPort}`,
      channelCredentials.createInsecure(),
    );
    closers.push(() => client.close());
    expect((await client.unary("getNode", { nodeId: "n1" }, { timeoutMs: EVENT_WITHIN_MS })).boots).toHaveLength(100);
    // Boots are pruned with their reports.
    await collector.stop();
    const events = { onCommit() {}, onFailure() {}, onOverflow() {}, onStoreCrash() {} };
    const store = await openStore(join(directory, "data", "collector.db"), systemClock, events);
    closers.push(() => store.close());
    const beforeMs = Date.now() + 1_000;
    // Pruning waits for the roll-up.
    await store.submit("closeHour", { endedMs: beforeMs, keepFromMs: 0 });
    const dueBeforeMs = beforeMs;
    while ((await store.submit("rollUp", { dueBeforeMs, limit: 1_000 })).reports > 0);
    for (let rounds = 0; rounds < 5; rounds++)
      await store.submit("prune", { beforeMs, minuteBeforeMs: beforeMs, hourBeforeMs: beforeMs, reports: 1_000 });
    expect(stored("SELECT count(*) FROM boots")).toBe(0);
  });
});

describe("a node that names other endpoints in each Hello", () => {
  /** What each Hello names: as many resolvers as one may. */
  const resolvers = (at: number) => Array.from({ length: 16 }, (_, nth) => `10.0.${at}.${nth + 1}`);

  it("has bounded targets and series within a day; the rest is counted, and unknown", async () => {
    const dns = "{ probe: dns, query: omni.example.test, transport: udp }";
    writeFileSync(join(directory, "catalogue.yaml"), catalogueOf(requirementRow("dns", "resolver", "udp", dns)));
    const collector = await start();
    const agent = dial(collector.grpcPort);
    const series = new Set<string>();
    let text = "";
    const overflows = 'lifeline_collector_overflows_total{what="targets"}';
    for (let at = 0; at < 40; at++) {
      await agent.hello({ resolvers: resolvers(at) });
      // The 33rd Hello and those after it name nothing that is measured.
      const sign = at < 32 ? `endpoint="10.0.${at}.` : `${overflows} ${at - 31}\n`;
      await until(async () => {
        text = await metrics(collector);
        return text.includes(sign);
      });
      for (const [labels] of text.matchAll(/^lifeline_requirement_verdict\{.*(?=,verdict="met")/gm)) series.add(labels);
    }
    // 512 targets, and the row without any.
    expect(series.size).toBe(DAY_TARGETS_MAX + 1);
    expect(agent.plans().at(-1)?.targets).toEqual([]);
  });
});

describe("hellos without end", () => {
  it("on one stream are admitted up to the node's quota; then the stream ends, and the next is refused before a write", async () => {
    const clock = manualClock(Date.now());
    const collector = await start(clock);
    const agent = dial(collector.grpcPort);
    const saying = (async () => {
      for (let at = 0; at < 10_000; at++) await agent.hello({ hostname: `h${at}` });
    })().catch(() => {});
    expect(await agent.ended).toMatchObject({ code: RpcStatus.RESOURCE_EXHAUSTED });
    await saying;
    const next = dial(collector.grpcPort);
    await next.hello({ hostname: "another" });
    expect(await next.ended).toMatchObject({
      code: RpcStatus.RESOURCE_EXHAUSTED,
      message: "hello: got one more of this node, want at most 60 at once and 1 a second",
    });
    expect(await metricOf(collector, ended("too-many-hellos"))).toBe(2);
    // The first made the node, and with it the allowance.
    expect(stored(`SELECT count(*) FROM nodes WHERE hostname = 'h${HELLO_RATE.capacity}'`)).toBe(1);
    clock.advance(1_000);
    const later = dial(collector.grpcPort);
    await later.hello();
    await until(() => later.plans().length === 1);
    const other = await admitted(collector, "n2");
    expect(other.plans()).toHaveLength(1);
    await collector.stop();
  });
});

describe("a node that never reads its answers", () => {
  it("has few of them kept, and its stream is read no further", async () => {
    const collector = await start();
    const { stream } = await raw(collector, { initialWindowSize: 0 });
    const bytes = good();
    const sent = 5_000;
    for (let sequence = 1; sequence <= sent; sequence++) stream.write(reportFrame(sequence, bytes));
    let taken = 0;
    for (let rounds = 0, same = 0; rounds < 500 && same < 25; rounds++) {
      await sleep(20);
      const found = stored("SELECT count(*) FROM reports");
      same = found === taken && found > 0 ? same + 1 : 0;
      taken = found;
    }
    // 64 are without an answer, and 16 answers (a stream's high-water mark) of at most 64 each are written and not
    // sent.
    expect(taken).toBeLessThanOrEqual(64 * 18);
    expect(taken).toBeLessThan(sent);
    const honest = await admitted(collector, "n2");
    await honest.report(1, reportBytes({ sealedAtMs: Date.now() }));
    await until(() => honest.acked().length === 1);
  });
});

/** As a window of one sample, so many times. */
function times(count: number) {
  return Array.from({ length: count }, () => windowOfOne(nowMs, TARGET));
}

/** A report with so many empty windows more, of two bytes each. */
function withEmptyWindows(bytes: Uint8Array, count: number): Uint8Array {
  return withEmpty(bytes, 3, count);
}

function withEmpty(bytes: Uint8Array, number: number, count: number): Uint8Array {
  return Buffer.concat([bytes, Buffer.alloc(2 * count, Uint8Array.of((number << 3) | 2, 0))]);
}

/** A report's bytes twice: lists of a message that comes twice are one after the other (protobuf, "Last One Wins"). */
function twice(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes, ...bytes]);
}

/** A message as gRPC frames it: not compressed, its length, its bytes. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/**
 * A field of bytes as protobuf encodes it: field number and type 2, length, bytes. Short ones only, as a varint of two
 * bytes holds.
 */
function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, (bytes.length & 0x7f) | 0x80, bytes.length >> 7]), bytes]);
}

/** A field of a small number: type 0. */
function numberField(number: number, value: number): Buffer {
  return Buffer.from([number << 3, (value & 0x7f) | 0x80, value >> 7]);
}

/** StreamRequest.hello of node n1. */
const HELLO = framed(field(1, Buffer.concat([field(1, Buffer.from("n1")), field(2, BOOT)])));

/** StreamRequest.report. */
function reportFrame(sequence: number, report: Uint8Array): Buffer {
  return framed(field(2, Buffer.concat([field(1, BOOT), numberField(2, sequence), field(3, report)])));
}

/** A stream of plain HTTP/2 on which node n1 has said its hello. */
async function raw({ grpcPort }: Collector, settings: { initialWindowSize?: number } = {}) {
  const session = http2Connect(`http://127.0.0.1:${grpcPort}`, { settings });
  session.on("error", () => {});
  closers.push(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/lifeline.v1.ReportService/Stream",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  const trailers = new Promise<string>((resolve) => {
    stream.once("trailers", (headers) => resolve(String(headers["grpc-status"])));
  });
  stream.write(HELLO);
  await until(() => stored("SELECT count(*) FROM nodes") > 0);
  return { session, stream, trailers };
}
