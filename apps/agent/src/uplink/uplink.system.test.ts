import { join } from "node:path";
import { manualClock, systemClock } from "@lifeline/measure";
import { type Plan, planToWire, type reportPb } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { segmentPath } from "../spool/segment.ts";
import { openSpool, type Spool } from "../spool/spool.ts";
import { obstruct, scratch, tcpTarget, until, WAIT_MAX_MS } from "../testing/fixtures.ts";
import { type Answer, acknowledge, type CollectorHandlers, startCollector } from "../testing/stand-in-collector.ts";
import { BACKOFF_FIRST_MS } from "./backoff.ts";
import { channelCredentials } from "./credentials.ts";
import { BACKLOG_PACE_MS } from "./sending.ts";
import { type EndWord, Uplink, type UplinkOptions } from "./uplink.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const bootId = new Uint8Array(16).fill(1);

async function spoolOf(reports: number, path?: string): Promise<Spool> {
  const place = path ?? temporary();
  const spool = await openSpool({ directory: place, clock: systemClock, bootId, onEvent: () => {} });
  closers.push(() => spool.close());
  for (let at = 1; at <= reports; at++) await spool.append(Buffer.from(`report ${at}`));
  return spool;
}

function temporary(): string {
  const { path, remove } = scratch();
  closers.push(remove);
  return join(path, "spool");
}

async function collector(handlers: CollectorHandlers, port?: number) {
  const running = await startCollector(handlers, port);
  closers.push(() => running.stop());
  return running;
}

const helloAs = (planRevision: string) => ({
  nodeId: "node-1",
  bootId,
  agentVersion: "test",
  hostname: "host",
  roles: [],
  ipVersions: [4],
  siderolinkPrefix: "",
  talosVersion: "",
  resolvers: [],
  machineApi: "",
  machineApiUnreadable: "",
  addresses: [],
  gateways: [],
  planRevision,
});

function uplink(address: string, spool: Spool, overrides: Partial<UplinkOptions> = {}) {
  const ends: EndWord[] = [];
  const plans: reportPb.Plan[] = [];
  const refusals: reportPb.Refusal[] = [];
  let connections = 0;
  const running = new Uplink(
    {
      collector: address,
      credentials: () => channelCredentials(undefined),
      hello: () => helloAs(`after ${connections}`),
      spool,
      clock: systemClock,
      random: () => 0.1,
      events: {
        connected: () => {
          connections += 1;
        },
        disconnected: (word) => ends.push(word),
        plan: (plan) => plans.push(plan),
        refused: (refusal) => refusals.push(refusal),
      },
      ...overrides,
    },
    (error) => {
      throw error;
    },
  );
  closers.push(() => running.stop());
  return { uplink: running, ends, plans, refusals };
}

const sequencesOf = (reports: readonly reportPb.ReportEnvelope[]) => reports.map(({ sequence }) => Number(sequence));
const flowControlNotice: Parameters<Answer>[0] = { case: "ack", value: { $typeName: "lifeline.v1.Ack", reports: [] } };
const acking: CollectorHandlers = { report: (report, answer) => acknowledge(report, answer) };

describe("the uplink", () => {
  it("sends hello first, then the spool oldest first, and releases what is acknowledged (U1)", async () => {
    const spool = await spoolOf(5);
    const { address, hellos, reports } = await collector(acking);
    const { uplink: up } = uplink(address, spool);
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(hellos).toHaveLength(1);
    expect(hellos[0]).toMatchObject({ nodeId: "node-1", agentVersion: "test" });
    expect(sequencesOf(reports)).toEqual([1, 2, 3, 4, 5]);
    expect(Buffer.from(reports[2]?.report ?? []).toString()).toBe("report 3");
    expect(up.stats()).toMatchObject({ connected: true, ackedReports: 5 });
  });

  it("dates hello and reports with its own clock as they are sent, however old they are", async () => {
    let wallMs = 1_700_000_000_000.7;
    const spool = await spoolOf(2);
    const { address, hellos, reports } = await collector(acking);
    uplink(address, spool, { clock: { ...systemClock, wallMs: () => wallMs++ } });
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(hellos[0]?.sentUnixMs).toBe(1_700_000_000_000n);
    expect(reports.map(({ sentUnixMs }) => sentUnixMs)).toEqual([1_700_000_000_001n, 1_700_000_000_002n]);
  });

  it("sends no time before 1970, which the wire cannot hold", async () => {
    const spool = await spoolOf(1);
    const { address, hellos } = await collector(acking);
    uplink(address, spool, { clock: { ...systemClock, wallMs: () => -5 } });
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(hellos[0]?.sentUnixMs).toBe(0n);
  });

  it("sends a report that could not be read later on the same stream, and does not delay the rest (U1)", async () => {
    const place = temporary();
    await (await spoolOf(2, place)).close();
    // Of an earlier start, so that what comes is written to another file.
    const spool = await spoolOf(0, place);
    const restore = obstruct(segmentPath(place, 1));
    const { address, hellos, reports } = await collector(acking);
    const { uplink: up } = uplink(address, spool);
    await until("both were tried", () => spool.stats().unreadableReads >= 2);
    await spool.append(Buffer.from("live"));
    up.wake();
    await until("the live report was acknowledged", () => up.stats().ackedReports === 1);
    restore();
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(reports.map(({ report }) => Buffer.from(report).toString())).toEqual(["live", "report 1", "report 2"]);
    expect(hellos).toHaveLength(1);
    expect(spool.stats().droppedReports).toBe(0);
  });

  it("sends the hello again on the same stream when the node's facts have changed, and only then", async () => {
    let siderolinkPrefix = "";
    let looks = 0;
    const spool = await spoolOf(0);
    const { address, hellos, reports } = await collector(acking);
    const { uplink: up, ends } = uplink(address, spool, {
      helloCheckMs: 20,
      hello: () => ({ ...helloAs(`plan ${looks++}`), siderolinkPrefix }),
    });
    await until("the facts were looked at several times", () => looks > 4);
    expect(hellos).toHaveLength(1);
    siderolinkPrefix = "fdae:41e4:649b:9303";
    await until("the hello was said again", () => hellos.length === 2);
    expect(hellos[1]).toMatchObject({ nodeId: "node-1", siderolinkPrefix, bootId: hellos[0]?.bootId });
    const lookedBefore = looks;
    await until("the facts were looked at again", () => looks > lookedBefore + 3);
    await spool.append(Buffer.from("after"));
    up.wake();
    await until("the report was acknowledged", () => up.stats().ackedReports === 1);
    expect(reports).toHaveLength(1);
    expect(hellos).toHaveLength(2);
    expect(up.stats()).toMatchObject({ rehellos: 1, dials: 1 });
    expect(ends).toEqual([]);
  });

  it("keeps unacknowledged reports, and sends them again on the next stream (U1)", async () => {
    const spool = await spoolOf(3);
    const { address, hellos, reports } = await collector({
      report: async (report, answer, streamNumber) => {
        if (report.sequence === 2n && streamNumber === 1) throw new Error("dies with one acknowledged");
        await acknowledge(report, answer);
      },
    });
    const { ends } = uplink(address, spool);
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(hellos.length).toBe(2);
    expect(hellos[1]?.planRevision).toBe("after 1");
    expect(ends).toEqual(["INTERNAL"]);
    expect(sequencesOf(reports).filter((sequence) => sequence === 1)).toHaveLength(1);
    expect(sequencesOf(reports).filter((sequence) => sequence === 2)).toHaveLength(2);
  });

  it("does not delay a live report behind a long backlog", async () => {
    const clock = manualClock(0);
    const spool = await spoolOf(200);
    const { address, reports } = await collector(acking);
    const { uplink: up } = uplink(address, spool, { clock });
    await until("the backlog is being sent", () => {
      clock.advance(BACKLOG_PACE_MS);
      return reports.length > 5;
    });
    await spool.append(Buffer.from("live"));
    up.wake();
    await until("the live report arrived", () => sequencesOf(reports).includes(201));
    expect(spool.stats().heldReports).toBeGreaterThan(50);
  });

  it("has at most 64 reports in flight (S2)", async () => {
    const spool = await spoolOf(0);
    const { address, reports } = await collector({ hello: (_, answer) => answer(planMessage()) });
    const { uplink: up } = uplink(address, spool);
    await until("connected", () => up.stats().connected);
    for (let at = 0; at < 80; at++) await spool.append(Buffer.from("live"));
    up.wake();
    await until("the window is full", () => reports.length === 64);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(reports).toHaveLength(64);
  });

  it("counts a refused report, releases it and sends the others", async () => {
    const spool = await spoolOf(3);
    const { address } = await collector({
      report: async (report, answer) => {
        if (report.sequence !== 2n) return acknowledge(report, answer);
        const { bootId: boot, sequence } = report;
        const key = { $typeName: "lifeline.v1.ReportKey" as const, bootId: boot, sequence };
        const refusal = { report: key, code: "malformed", field: "windows[0]", detail: "no" };
        await answer({ case: "refusal", value: { $typeName: "lifeline.v1.Refusal", ...refusal } });
      },
    });
    const { uplink: up, refusals } = uplink(address, spool);
    await until("all were settled", () => spool.stats().heldReports === 0);
    expect(refusals.map(({ code, field }) => [code, field])).toEqual([["malformed", "windows[0]"]]);
    expect(up.stats()).toMatchObject({ ackedReports: 2, refusedReports: 1 });
  });

  it("ignores and counts an acknowledgement of a report that was never sent", async () => {
    const spool = await spoolOf(1);
    const { address } = await collector({
      report: async (report, answer) => {
        await acknowledge({ ...report, sequence: 77n }, answer);
        await acknowledge(report, answer);
        await acknowledge(report, answer);
      },
    });
    const { uplink: up } = uplink(address, spool);
    await until("both unknown keys were counted", () => up.stats().unknownKeys === 2);
    expect(up.stats()).toMatchObject({ ackedReports: 1, unknownKeys: 2 });
  });

  it("treats a stream on which nothing is acknowledged as half-open, and dials again", async () => {
    const clock = manualClock(0);
    const spool = await spoolOf(1);
    const { address, hellos, reports } = await collector({
      report: async (report, answer, streamNumber) => {
        if (streamNumber > 1) await acknowledge(report, answer);
      },
    });
    const { ends } = uplink(address, spool, { noProgressMs: 300, clock });
    await until("the report is in flight", () => reports.length === 1);
    clock.advance(320);
    await until("the stream ended", () => ends.length === 1);
    clock.advance(BACKOFF_FIRST_MS);
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(ends).toEqual(["half-open"]);
    expect(hellos).toHaveLength(2);
  });

  it("does not end a stream on which the collector sends flow-control notices", async () => {
    const clock = manualClock(0);
    const spool = await spoolOf(1);
    const { address, hellos } = await collector({
      report: async (report, answer) => {
        for (let notices = 1; notices <= 8; notices++) {
          await answer(flowControlNotice);
          await until("the notice arrived", () => up.stats().flowControlNotices === notices);
          clock.advance(300);
        }
        await acknowledge(report, answer);
      },
    });
    const { uplink: up, ends } = uplink(address, spool, { noProgressMs: 400, clock });
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(ends).toEqual([]);
    expect(hellos).toHaveLength(1);
  });

  it("redials in bounded time although the collector holds back the reports in flight", async () => {
    const clock = manualClock(0);
    const spool = await spoolOf(1);
    let answerFirst: Answer | undefined;
    const held = Promise.withResolvers<void>();
    closers.push(held.resolve);
    const { address, hellos } = await collector({
      report: async (report, answer, streamNumber) => {
        if (streamNumber > 1) return acknowledge(report, answer);
        answerFirst = answer;
        await held.promise;
      },
    });
    const { uplink: up, ends } = uplink(address, spool, { noProgressMs: 400, clock });
    await until("a report is in flight", () => answerFirst !== undefined);
    up.redial();
    await spool.append(Buffer.from("live"));
    for (let notices = 1; notices <= 4; notices++) {
      await answerFirst?.(flowControlNotice);
      await until("the notice arrived", () => up.stats().flowControlNotices === notices);
      clock.advance(110);
    }
    await until("the next stream acknowledged a report", () => up.stats().ackedReports === 1);
    clock.advance(BACKLOG_PACE_MS);
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(hellos).toHaveLength(2);
    expect(ends).toEqual([]);
  });

  it("does not end a stream that is slow but makes progress", async () => {
    const clock = manualClock(0);
    const spool = await spoolOf(8);
    let before: reportPb.ReportEnvelope | undefined;
    const { address, reports } = await collector({
      // Acknowledges a report when the next has come, so that one is in flight all the time.
      report: async (report, answer) => {
        clock.advance(before === undefined ? BACKLOG_PACE_MS : 300);
        if (before !== undefined) await acknowledge(before, answer);
        before = report;
        await until("the one before was settled", () => up.stats().ackedReports === reports.length - 1);
        if (reports.length === 8) await acknowledge(report, answer);
      },
    });
    const { uplink: up, ends } = uplink(address, spool, { noProgressMs: 400, clock });
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(ends).toEqual([]);
  });

  it("connects to a collector that starts later", async () => {
    const spool = await spoolOf(1);
    const probe = await startCollector({});
    await probe.stop();
    const { uplink: up, ends } = uplink(probe.address, spool);
    await until("a dial failed", () => ends.length > 0);
    expect(ends[0]).toBe("UNAVAILABLE");
    await collector(acking, Number(probe.address.split(":")[1]));
    await until("all were acknowledged", () => spool.stats().heldReports === 0);
    expect(up.stats().dials).toBeGreaterThan(1);
  });

  it("passes the plan on", async () => {
    const { address } = await collector({ hello: (_, answer) => answer(planMessage()) });
    const { plans } = uplink(address, await spoolOf(0));
    await until("the plan came", () => plans.length === 1);
    expect(plans[0]?.targets[0]?.port).toBe(5);
  });

  it("reports that certificates cannot be read yet, and dials again", async () => {
    const { address } = await collector(acking);
    const missing = { caFile: "/nonexistent/ca", certFile: "/nonexistent/cert", keyFile: "/nonexistent/key" };
    const { ends } = uplink(address, await spoolOf(1), { credentials: () => channelCredentials(missing) });
    await until("two dials failed", () => ends.length > 1);
    expect(ends.slice(0, 2)).toEqual(["credentials", "credentials"]);
  });

  it("flushes: resolves once every report of this start is settled, or after its grace time", async () => {
    const spool = await spoolOf(3);
    const { address } = await collector(acking);
    const { uplink: up } = uplink(address, spool);
    await up.flush(WAIT_MAX_MS);
    expect(spool.stats().heldReports).toBe(0);
    const stuck = await spoolOf(1);
    const { address: deaf } = await collector({});
    const { uplink: other } = uplink(deaf, stuck);
    await other.flush(100);
    expect(stuck.stats().heldReports).toBe(1);
  });
});

function planMessage() {
  const plan: Plan = { revision: "", targets: [tcpTarget(5)] };
  return { case: "plan" as const, value: planToWire(plan) };
}
