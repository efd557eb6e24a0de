import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createSecureServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { createFleetCa } from "@lifeline/identity";
import { type Clock, manualClock, systemClock } from "@lifeline/measure";
import { createLog } from "@lifeline/settings";
import { endedCount, WINDOW_MS, type Window } from "@lifeline/window";
import { decodeReport, makePlan, planToWire, type reportPb } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { startAgent } from "./agent.ts";
import { type AgentConfig, parseConfig } from "./config.ts";
import { loadCachedPlan } from "./plan/plan-cache.ts";
import { type Agent, FLUSH_GRACE_MS } from "./running-agent.ts";
import { sampleOf, scratch, tcpTarget, until } from "./testing/fixtures.ts";
import {
  type Answer,
  acknowledge,
  type CollectorHandlers,
  type StandInCollector,
  startCollector,
} from "./testing/stand-in-collector.ts";
import { type AgentWorld, createAgentWorld } from "./world.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function stateDir(): string {
  const { path, remove } = scratch();
  closers.push(remove);
  return path;
}

async function listener(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.on("error", () => {}).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

async function collector(handlers: CollectorHandlers): Promise<StandInCollector> {
  const running = await startCollector(handlers);
  closers.push(() => running.stop());
  return running;
}

interface Logged {
  readonly msg: string;
  readonly field?: string;
  readonly status?: string;
  readonly detail?: string;
}

async function agentOf(
  overrides: Partial<AgentConfig>,
  ownWorld: Partial<AgentWorld> = {},
): Promise<{ agent: Agent; lines: Logged[] }> {
  const lines: Logged[] = [];
  const log = createLog(systemClock, "info", { write: (line: string) => void lines.push(JSON.parse(line)) });
  const config: AgentConfig = {
    ...parseConfig("agent.yaml", ""),
    stateDir: stateDir(),
    nodeId: "node-1",
    ...overrides,
  };
  const world: AgentWorld = createAgentWorld(
    { ...config, resolvers: ["127.0.0.1:1"], hostsFile: undefined, stampKeyFile: undefined },
    log,
  );
  const agent = await startAgent(config, { ...world, ...ownWorld });
  closers.push(() => agent.stop());
  return { agent, lines };
}

function windowsOf(reports: readonly reportPb.ReportEnvelope[]): Window[] {
  return reports.flatMap(({ report }) => {
    const decoded = decodeReport(report);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.malformed));
    return decoded.value.windows;
  });
}

const planOf = (ports: readonly number[]) =>
  makePlan(ports.map((port) => tcpTarget(port, { cadenceMs: 100, timeoutMs: 90 })));
const planning = (plan: ReturnType<typeof makePlan>): CollectorHandlers => ({
  hello: (_, answer) => answer({ case: "plan", value: planToWire(plan) }),
  report: (report, answer) => acknowledge(report, answer),
});

const many = <T>(one: T) => new Array<T>(100_000).fill(one);
const wirePlan = planToWire(planOf([1]));
const target = wirePlan.targets[0] as reportPb.Target;
const wireKey = { $typeName: "lifeline.v1.ReportKey" as const, bootId: new Uint8Array(16), sequence: 1n };

describe("the agent", () => {
  it("measures the collector's plan; every attempt is reported, and stopping leaves the spool empty (M3, U1)", async () => {
    const { port } = await listener();
    const { port: other } = await listener();
    const { address, reports, hellos } = await collector(planning(planOf([port, other])));
    const { agent } = await agentOf({ collector: address });
    await until("twenty attempts ended", () => agent.stats().prober.endedAttempts >= 20);
    await agent.stop();
    const windows = windowsOf(reports);
    const { begunAttempts } = agent.stats().prober;
    expect(windows.reduce((sum, window) => sum + window.started, 0)).toBe(begunAttempts);
    expect(windows.reduce((sum, window) => sum + endedCount(window), 0)).toBeGreaterThanOrEqual(begunAttempts - 2);
    expect(windows.every(({ counts }) => [...counts.keys()].every((reason) => reason === "answered"))).toBe(true);
    expect(agent.stats().spool.heldReports).toBe(0);
    expect(hellos[0]).toMatchObject({ nodeId: "node-1", planRevision: "" });
    expect(reports.map(({ sequence }) => Number(sequence))).toEqual(reports.map((_, at) => at + 1));
  });

  it("reports a listener that went away at once, before the window's end (W2)", async () => {
    const { server, port } = await listener();
    const { address, reports } = await collector(planning(planOf([port])));
    const { agent } = await agentOf({ collector: address });
    await until("it is answered", () => agent.stats().prober.endedAttempts >= 3);
    server.close();
    const isTurn = ({ last }: Window) => last?.reason === "refused" && last.run.length === 1;
    const isConfirmed = ({ last }: Window) => last?.run.outcomeClass === "bad" && last.run.length === 3;
    await until("the turn arrived", () => windowsOf(reports).some(isTurn));
    await until("its confirmation arrived", () => windowsOf(reports).some(isConfirmed));
    const early = windowsOf(reports).filter((window) => isTurn(window) || isConfirmed(window));
    for (const { endMs } of early) expect(endMs % WINDOW_MS, `${endMs} is no boundary`).not.toBe(0);
  });

  it("keeps the plan on disk, and measures it when it starts without a collector", async () => {
    const { port } = await listener();
    const plan = planOf([port]);
    const place = stateDir();
    const { address, stop } = await collector(planning(plan));
    const { agent } = await agentOf({ collector: address, stateDir: place });
    await until("the plan was applied", () => agent.planRevision() === plan.revision);
    await agent.stop();
    await stop();
    expect(loadCachedPlan(place)).toEqual({ kind: "plan", plan });
    const { agent: next } = await agentOf({ stateDir: place });
    await until("it measures", () => next.stats().prober.endedAttempts > 0);
    expect(next.planRevision()).toBe(plan.revision);
  });

  it("refuses a bad plan by its field, counts it, and keeps the plan it has", async () => {
    const { port } = await listener();
    const good = planOf([port]);
    const bad = planToWire(good);
    for (const target of bad.targets) target.port = 0;
    const { address } = await collector({
      hello: async (_, answer) => {
        await answer({ case: "plan", value: planToWire(good) });
        await answer({ case: "plan", value: bad });
      },
    });
    const { agent, lines } = await agentOf({ collector: address });
    await until("the bad plan was refused", () => agent.stats().refusedPlans === 1);
    expect(agent.planRevision()).toBe(good.revision);
    expect(lines.find(({ msg }) => msg.startsWith("the collector's plan cannot be used"))?.field).toBe(
      "targets[0].port",
    );
  });

  it.each<[string, Parameters<Answer>[0], string]>([
    ["a plan of 100,000 targets", { case: "plan", value: { ...wirePlan, targets: many(target) } }, "plan.targets"],
    [
      "100,000 acknowledgements",
      { case: "ack", value: { $typeName: "lifeline.v1.Ack", reports: many(wireKey) } },
      "ack.reports",
    ],
  ])("survives %s: it keeps the plan it has, and dials again later", { timeout: 60_000 }, async (_, bomb, why) => {
    const { port } = await listener();
    const good = planOf([port]);
    const { address, hellos } = await collector({
      hello: async (_hello, answer, streamNumber) => {
        await answer({ case: "plan", value: planToWire(good) });
        if (streamNumber <= 2) await answer(bomb);
      },
      report: (report, answer) => acknowledge(report, answer),
    });
    const { agent, lines } = await agentOf({ collector: address });
    await until("it came a third time", () => hellos.length === 3, 20_000);
    expect(agent.planRevision()).toBe(good.revision);
    const line = lines.find(({ msg }) => msg === "not connected");
    expect(line).toMatchObject({
      status: "INTERNAL",
      detail: expect.stringContaining(`${why}: got 1025 entries or more, want at most 1024`),
    });
    // On the first two streams nothing can be acknowledged: the bomb comes before. The next report may be a window's
    // time away.
    await until("it reports", () => (agent.stats().uplink?.ackedReports ?? 0) > 0, 20_000);
  });

  it("spools while there is no collector; a later start delivers the reports under the first boot's id (U1)", async () => {
    const { port } = await listener();
    const place = stateDir();
    const planPath = join(place, "targets.json");
    writeFileSync(planPath, JSON.stringify(planOf([port])));
    const { agent } = await agentOf({ stateDir: place, plan: { kind: "file", path: planPath } });
    await until("it measured", () => agent.stats().prober.endedAttempts >= 3);
    await agent.stop();
    const { begunAttempts } = agent.stats().prober;
    const left = agent.stats().spool.heldReports;
    expect(left).toBeGreaterThan(0);
    const { address, reports } = await collector({ report: (report, answer) => acknowledge(report, answer) });
    const { agent: next } = await agentOf({ stateDir: place, collector: address });
    await until("the spool is empty", () => next.stats().spool.heldReports === 0);
    expect(reports.map(({ bootId }) => Buffer.from(bootId).equals(Buffer.from(agent.bootId)))).toEqual(
      new Array(left).fill(true),
    );
    expect(windowsOf(reports).reduce((sum, window) => sum + window.started, 0)).toBe(begunAttempts);
  });

  it("ends its attempt to enrol when it stops, instead of waiting for the timeout", async () => {
    const times = { nowMs: systemClock.wallMs(), lifetimeMs: 3_600_000 };
    const { certPem: cert, keyPem: key } = await createFleetCa({ commonName: "fleet", ...times, randomBytes });
    const silent = createSecureServer({ cert, key }).listen(0, "127.0.0.1");
    closers.push(() => void silent.close());
    await once(silent, "listening");
    const begun = once(silent, "stream");
    const { port } = silent.address() as AddressInfo;
    const enrol = { caFingerprint: `sha256:${"0".repeat(64)}`, tokenFile: undefined };
    const config = { ...parseConfig("agent.yaml", ""), stateDir: stateDir(), nodeId: "node-1" };
    const log = createLog(systemClock, "silent");
    const inputs = { resolvers: ["127.0.0.1:1"], hostsFile: undefined, stampKeyFile: undefined };
    const world = createAgentWorld({ ...config, ...inputs }, log, { LIFELINE_JOIN_TOKEN: "a-token" });
    const enrolTimeoutMs = 24 * 3_600_000;
    const agent = await startAgent({ ...config, collector: `127.0.0.1:${port}`, enrol }, { ...world, enrolTimeoutMs });
    const [stream] = (await begun) as [ServerHttp2Stream];
    const ended = once(stream, "close");
    await agent.stop();
    await ended;
  });

  it("stops after FLUSH_GRACE_MS while the collector is silent, and needs no more time", async () => {
    const place = stateDir();
    const planPath = join(place, "targets.json");
    writeFileSync(planPath, JSON.stringify(planOf([1])));
    const { address, hellos } = await collector({});
    const manual = manualClock(systemClock.wallMs());
    const waitsMs: number[] = [];
    const clock: Clock = {
      ...manual,
      after(delayMs, wake) {
        waitsMs.push(delayMs);
        return manual.after(delayMs, wake);
      },
    };
    const probe: AgentWorld["probe"] = async ({ id }) => sampleOf(id, clock.wallMs(), "answered");
    const config = { stateDir: place, collector: address, plan: { kind: "file", path: planPath } } as const;
    let released: NodeJS.Timeout | undefined;
    closers.push(() => clearInterval(released));
    const { agent } = await agentOf(config, { clock, probe });
    // Where this test fails, the agent stops afterwards on a clock that moves.
    closers.push(() => {
      released = setInterval(() => manual.advance(FLUSH_GRACE_MS), 10);
    });
    await until("the stream is open", () => hellos.length === 1);
    manual.advance(200);
    await until("an attempt ended", () => agent.stats().prober.endedAttempts > 0);
    waitsMs.length = 0;
    let hasStopped = false;
    void agent.stop().then(() => {
      hasStopped = true;
    });
    await until("it waits for the collector", () => waitsMs.includes(FLUSH_GRACE_MS));
    manual.advance(FLUSH_GRACE_MS - 1);
    // A stop that does not wait would need the disk and the connection alone.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hasStopped).toBe(false);
    manual.advance(1);
    await until("it stopped", () => hasStopped);
    expect(agent.stats().spool.heldReports).toBeGreaterThan(0);
  });

  it("is idle without collector and plan, and logs how to configure them", async () => {
    const { agent, lines } = await agentOf({});
    expect(lines.at(-1)?.msg).toContain("LIFELINE_COLLECTOR");
    expect(agent.stats().prober.begunAttempts).toBe(0);
  });
});
