/** Witnesses, agents and people at one collector, over real sockets. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Reason, type Sample, systemClock } from "@lifeline/measure";
import { type ChannelCredentials, channelCredentials, createRpcClient, RpcStatus } from "@lifeline/rpc";
import { followRun, mergeWindows, type Run, type Window, windowOf } from "@lifeline/window";
import { encodeReport, NO_SELF_METRICS, type Plan, planFromWire, queryPb, reportPb, witnessPb } from "@lifeline/wire";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Collector, startCollector } from "../collector.ts";
import type { TlsFiles } from "../config/config.ts";
import { testConfig } from "../testing/config.ts";
import { catalogueOf, requirementRow } from "../testing/deployment-fixture.ts";
import { clientOf, testFleetCa } from "../testing/fleet-ca.ts";
import { EVENT_WITHIN_MS, until } from "../testing/wait.ts";

const DEPLOYMENT = `
version: 1
name: test
kind: on-prem
omni: { api: "https://127.0.0.1:8443", machineApi: "https://127.0.0.1:8090", siderolink: ["127.0.0.1:50180"] }
`;
const PORT = { port: 8_090 };
const CATALOGUE = catalogueOf(
  requirementRow("machine-api", "machine-api", "tcp", "{ probe: tcp, acceptReset: false }", PORT),
  requirementRow("siderolink", "siderolink", "udp", "{ probe: udp, payloadBytes: 16 }", PORT),
  requirementRow("inside", "in-tunnel", "tcp", "{ probe: tcp, acceptReset: true }", PORT),
);

let directory = "";
const closers: (() => Promise<unknown> | unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-witness-"));
  writeFileSync(join(directory, "deployment.yaml"), DEPLOYMENT);
  writeFileSync(join(directory, "catalogue.yaml"), CATALOGUE);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true });
});

async function start(tls?: TlsFiles, clock = systemClock): Promise<Collector> {
  const config = testConfig(directory, { tls });
  const onStoreCrash = (error: Error) => {
    throw error;
  };
  const collector = await startCollector(config, { clock, log: pino({ level: "silent" }), onStoreCrash });
  closers.push(() => collector.stop());
  return collector;
}

/** Calls the collector as a witness does. */
function witness({ grpcPort }: Collector, credentials: ChannelCredentials = channelCredentials.createInsecure()) {
  const client = createRpcClient(witnessPb.WitnessService, `127.0.0.1:${grpcPort}`, credentials);
  closers.push(() => client.close());
  return (sources: readonly [address: string, receivedAgoMs: number][], more: object = {}) => {
    const received = sources.map(([address, ago]) => ({
      address,
      port: 4_711,
      packets: 1n,
      receivedAgoMs: BigInt(ago),
    }));
    const request = { witnessId: new Uint8Array(16), port: 50_180, watchedMs: 600_000n, sources: received, ...more };
    return client.unary("witness", request, { timeoutMs: EVENT_WITHIN_MS });
  };
}

const BOOT = new Uint8Array(16).fill(1);

type Facts = Readonly<Record<string, unknown>>;

function agent({ grpcPort }: Collector, nodeId: string, hello: Facts = {}, bootId = BOOT) {
  const target = `127.0.0.1:${grpcPort}`;
  const client = createRpcClient(reportPb.ReportService, target, channelCredentials.createInsecure());
  closers.push(() => client.close());
  const call = client.duplex("stream");
  const plans: Plan[] = [];
  let acked = 0;
  const ended = (async () => {
    for await (const { message } of call.responses) {
      if (message.case === "ack") acked += message.value.reports.length;
      const plan = message.case === "plan" ? planFromWire(message.value) : undefined;
      if (plan?.ok) plans.push(plan.value);
    }
  })().catch(() => {});
  const sendHello = (more: Facts = {}) =>
    call.send({
      message: {
        case: "hello",
        value: { nodeId, bootId, hostname: "talos", agentVersion: "1", roles: [2], ipVersions: [4], ...hello, ...more },
      },
    });
  const report = (sequence: number, bytes: Uint8Array) =>
    call.send({ message: { case: "report", value: { bootId, sequence: BigInt(sequence), report: bytes } } });
  return { sendHello, report, plans, acked: () => acked, ended };
}

/** Samples of one target, one a second, the last just now. */
function windowOfAll(targetId: string, reasons: readonly Reason[], nowMs: number): Window {
  let run: Run | undefined;
  let all: Window | undefined;
  for (const [at, reason] of reasons.entries()) {
    const endedAtMs = nowMs - (reasons.length - 1 - at) * 1_000;
    const rtt = reason === "answered" ? { rtt: { ns: 1_000_000, source: "kernel" as const } } : {};
    const outcome = { reason, phase: "connect" as const };
    const times = { startedAtMs: endedAtMs - 1, endedAtMs };
    const sample: Sample = { targetId, ...times, outcome, ...rtt, phases: {}, evidence: {} };
    const followed = followRun(run, sample);
    run = followed.run;
    const one = windowOf(followed, endedAtMs - 1_000, endedAtMs);
    all = all === undefined ? one : mergeWindows(all, one);
  }
  if (all === undefined) throw new Error("no sample");
  return all;
}

/** A report in which the Machine API answers, and nothing has come back through the tunnel for eight seconds. */
function deadTunnel({ targets }: Plan, nowMs: number): Uint8Array {
  const repeated = (reason: Reason, count = 14) => Array.from({ length: count }, () => reason);
  const reasonsOf = (requirementId: string): Reason[] => {
    if (requirementId === "machine-api") return repeated("answered");
    if (requirementId === "siderolink") return repeated("silent");
    return [...repeated("answered", 6), ...repeated("timeout", 8)];
  };
  const windows = targets.map(({ id, requirementId }) => windowOfAll(id, reasonsOf(requirementId), nowMs));
  return encodeReport({ sealedAtMs: nowMs, windows, selfMetrics: NO_SELF_METRICS });
}

function causes({ grpcPort }: Collector) {
  const client = createRpcClient(queryPb.QueryService, `127.0.0.1:${grpcPort}`, channelCredentials.createInsecure());
  closers.push(() => client.close());
  return async () => {
    const { rows } = await client.unary("listVerdicts", { only: "siderolink" }, { timeoutMs: EVENT_WITHIN_MS });
    return Object.fromEntries(rows.map(({ nodeId, cause, udpEvidence }) => [nodeId, `${cause} ${udpEvidence}`]));
  };
}

const metrics = async ({ httpPort }: Collector) =>
  (await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })).text();

describe("a witness", () => {
  it("distinguishes the directions of a dead tunnel, but not for two nodes behind one address", async () => {
    // The wall clock stands still, so that no report of the witness ages on a busy machine.
    const nowMs = systemClock.wallMs();
    const collector = await start(undefined, { ...systemClock, wallMs: () => nowMs });
    const nodes = { received: ["192.0.2.1"], silent: ["192.0.2.2"], nat1: ["192.0.2.3"], nat2: ["192.0.2.3"] };
    for (const [nodeId, addresses] of Object.entries(nodes)) {
      const one = agent(collector, nodeId, { addresses, siderolinkPrefix: "fdae:41e4:649b:9303" });
      await one.sendHello();
      await until(() => one.plans.length === 1);
      await one.report(1, deadTunnel(one.plans[0] as Plan, nowMs));
      await until(() => one.acked() === 1);
    }
    const seen = causes(collector);
    const suspected = "udp-blocked suspected-blocked";
    await until(async () => Object.values(await seen()).every((cause) => cause === suspected));
    expect(Object.keys(await seen()).sort()).toEqual(["nat1", "nat2", "received", "silent"]);
    await witness(collector)([
      ["192.0.2.1", 0],
      ["192.0.2.2", 9_000],
      ["192.0.2.3", 0],
    ]);
    await until(async () => (await seen()).silent !== suspected);
    expect(await seen()).toEqual({
      received: "return-path-blocked suspected-blocked",
      silent: "forward-path-blocked suspected-blocked",
      nat1: suspected,
      nat2: suspected,
    });
    const text = await metrics(collector);
    expect(text).toContain("lifeline_witness_reports_total 1\n");
    expect(text).toContain("lifeline_witness_sources 3\n");
    expect(text).toMatch(/lifeline_siderolink_udp_evidence\{node="received",.*evidence="suspected-blocked"\} 1\n/);
  });

  it.each<[string, [string, number][], object, string]>([
    ["a short id", [], { witnessId: BOOT.slice(1) }, "witness.witness_id: got 15 bytes, want 16 bytes"],
    [
      "more sources than there is room for",
      Array.from({ length: 4_097 }, () => ["192.0.2.1", 0]),
      {},
      "witness.sources: got 4097 entries, want at most 4096",
    ],
    [
      "a name for an address",
      [["omni.example", 0]],
      {},
      "witness.sources[0]: got no address literal with a port, want such as 192.0.2.1 and 51820",
    ],
  ])("is refused for %s, and the error names the field", async (_, sources, more, message) => {
    const collector = await start();
    await expect(witness(collector)(sources, more)).rejects.toMatchObject({
      code: RpcStatus.INVALID_ARGUMENT,
      message,
    });
    expect(await metrics(collector)).toContain("lifeline_witness_reports_refused_total 1\n");
  });

  it("needs a certificate of its role where agents need one", async () => {
    const test = await testFleetCa();
    const collector = await start(await test.listenerFiles(join(directory, "tls")));
    const ca = test.pems.certPem;
    const node = await test.node("n1");
    const table = [
      [channelCredentials.createInsecure(), RpcStatus.UNAVAILABLE],
      [clientOf(ca), RpcStatus.UNAUTHENTICATED],
      [clientOf(ca, node), RpcStatus.PERMISSION_DENIED],
      [clientOf(ca, await test.role("admin")), RpcStatus.PERMISSION_DENIED],
    ] as const;
    for (const [credentials, code] of table) {
      await expect(witness(collector, credentials)([])).rejects.toMatchObject({ code });
    }
    await witness(collector, clientOf(ca, await test.role("witness")))([]);
    expect(await metrics(collector)).toContain("lifeline_witness_reports_total 1\n");
  });
});

describe("an agent", () => {
  it("that sends another hello gets a new plan only when its facts change the plan", async () => {
    const collector = await start();
    const { sendHello, plans } = agent(collector, "n1");
    await sendHello();
    await until(() => plans.length === 1);
    await sendHello();
    await sendHello({ siderolinkPrefix: "fdae:41e4:649b:9303" });
    await until(() => plans.length === 2);
    const rows = plans.map(({ targets }) => targets.map(({ requirementId, host }) => `${requirementId} ${host}`));
    expect(rows[1]).toContain("inside fdae:41e4:649b:9303::1");
    expect(rows[0]).not.toEqual(rows[1]);
  });

  it("is distinguished from another machine under its id once both have opened a stream twice, not from its own restart", async () => {
    const collector = await start();
    const duplicate = async () => /lifeline_node_duplicate\{node="n1"\} (\d)/.exec(await metrics(collector))?.[1];
    const connect = async (boot: number) => {
      const one = agent(collector, "n1", {}, new Uint8Array(16).fill(boot));
      await one.sendHello();
      await until(() => one.plans.length === 1);
    };
    await connect(1);
    await connect(2);
    await until(async () => (await duplicate()) !== undefined);
    expect(await duplicate()).toBe("0");
    await connect(1);
    await until(async () => (await duplicate()) === "1");
  });
});
