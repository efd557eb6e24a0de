/**
 * The test bed of every drill: a fleet's network, Omni's services, the reflector with its witness, a collector, and an
 * agent on each node. All programs run as shipped, each in its own network namespace.
 *
 *     node1 … node4 ── hop ── omni: API 443, Machine API 8090, DNS 53, proxy 3128, NTP 123,
 *          │                  WireGuard 51820 (shared by STAMP)
 *          └── management network ── collector (no fault touches it, U3)
 *
 * The last node is behind a NAT and knows its proxy. The witness's reports about it are not usable, and its HTTPS goes
 * through the proxy.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_NODE } from "@lifeline/bundle";
import type { StatusModel, StatusRow } from "@lifeline/cli";
import {
  canRunFleet,
  createFleetNet,
  type FleetNet,
  type FleetNode,
  type HostProcess,
  LabError,
  type ModeRequest,
  requestMode,
  type ServiceMode,
  type ServiceName,
} from "@lifeline/lab";
import type { Clock } from "@lifeline/measure";
import pino from "pino";
import type { CollectorAnswer } from "./collector-answer.ts";
import { CollectorObserver, type LabIncident } from "./collector-observer.ts";
import { DrillError } from "./drill-error.ts";
import {
  agentEnvironment,
  DIAL,
  deploymentFileIn,
  hide,
  NODE_API_PORT,
  nodeFiles,
  PROGRAMS,
  proxyEnvironment,
  spawnReady,
  startCollector,
  startReflector,
  startServices,
} from "./lab-programs.ts";

/** A node, by name. */
export interface LabNode {
  readonly name: string;
  readonly host: FleetNode;
}

/** Everything a drill may use. */
export interface TestBed {
  readonly nodes: readonly LabNode[];
  /** The node whose UDP leaves from an address of the hop's, and whose agent has an HTTP proxy in its environment. */
  readonly hiddenNode: LabNode;
  readonly net: FleetNet;
  /**
   * Folder of the test bed, with `public-root.pem`, which certificates of the lab's public names chain to. It is
   * removed with the test bed.
   */
  readonly folder: string;
  readonly deploymentFile: string;
  /** The key that agents and the reflector share. */
  readonly keyFile: string;
  /** Sends a signal to Omni: its WireGuard, its API and its Machine API. The kernel of its host goes on. */
  signalOmni(signal: NodeJS.Signals): void;
  /** The files of a node of that name which lie over the machine's: path → content. */
  filesOf(name: string): Readonly<Record<string, string>>;
  /** Puts a service in a mode for one node, both families; and back. */
  setMode<Service extends ServiceName>(
    node: LabNode,
    service: Service,
    mode: ServiceMode<Service>,
    names?: readonly string[],
  ): Promise<void>;
  /**
   * Restarts the node's agent with `environment` added; without it, restarts the agent with its original environment.
   */
  restartAgent(node: LabNode, environment?: Readonly<Record<string, string>>): Promise<void>;
  /** Starts a second agent on `node` with the node id `other`. */
  impersonate(node: LabNode, other: string): Promise<HostProcess>;
  /** The end of what the node's agent has logged; empty without one. */
  agentLog(node: LabNode): string;
  /** One line for each agent that exited unexpectedly, with its last output. Empty in a good run. */
  unexpectedExits(): readonly string[];
  /** Stops a node's agent; the node keeps running, unmeasured. */
  stopAgent(node: LabNode): Promise<void>;
  /** The latest answer of the collector; waits for the first. */
  model(signal: AbortSignal): Promise<StatusModel>;
  /** Incidents of a node that touch the last ten minutes. */
  incidents(node: LabNode, signal: AbortSignal): Promise<readonly LabIncident[]>;
  /** The next answer; undefined when aborted. */
  next(signal: AbortSignal): Promise<CollectorAnswer | undefined>;
  /** The first answer from now on of which `holds` is true; undefined after `withinMs`, or when aborted. */
  until(
    holds: (rows: readonly StatusRow[]) => boolean,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<CollectorAnswer | undefined>;
  close(): Promise<void>;
}

/** What a test bed needs. */
export interface TestBedOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Receives progress lines for the user. */
  readonly say: (line: string) => void;
  /** How many nodes; default 4. */
  readonly nodes?: number;
  /** Delay each way by node name, ms; default none. */
  readonly delayMs?: Readonly<Record<string, number>>;
}

/** Builds the test bed. @throws DrillError `cannot-run` with the reason, or `not-started`. */
export async function openTestBed(options: TestBedOptions): Promise<TestBed> {
  const able = await canRunFleet();
  if (able !== true) throw new DrillError("cannot-run", `the lab cannot run here: ${able}`);
  const folder = mkdtempSync(join(tmpdir(), "lifeline-lab-"));
  const undo: (() => Promise<unknown>)[] = [async () => rmSync(folder, { recursive: true, force: true })];
  const close = async () => {
    for (let last = undo.pop(); last !== undefined; last = undo.pop()) await last();
  };
  try {
    return await build(options, folder, undo, close);
  } catch (error) {
    await close();
    if (error instanceof LabError) throw new DrillError("not-started", error.message, { cause: error });
    throw error;
  }
}

async function build(
  options: TestBedOptions,
  folder: string,
  undo: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<TestBed> {
  const { clock, signal, say, nodes: nodeCount = 4, delayMs = {} } = options;
  const log = pino({ level: "silent" });
  say(`building a network of ${nodeCount} nodes, a firewall and an Omni`);
  const names = Array.from({ length: nodeCount }, (_, at) => `node${at + 1}`);
  const net = await createFleetNet({
    nodes: nodeCount,
    delayMs,
    clock,
    log,
    files: Object.fromEntries(names.map((name) => [name, nodeFiles(name)])),
  });
  undo.push(() => net.close());
  const nodes = net.nodes.map((host): LabNode => ({ name: host.name, host }));
  const hiddenNode = nodes.at(-1) ?? fail("there is no node");
  const key = join(folder, "stamp.key");
  writeFileSync(key, randomBytes(32).toString("hex"), { mode: 0o600 });

  const services = await startServices(net, folder);
  await net.openSink();
  await spawnReady(
    net.omni,
    "dialler",
    ["-e", DIAL, String(NODE_API_PORT), ...net.nodes.map(({ tunnelAddress }) => tunnelAddress)],
    "dialling",
  );
  await hide(net, hiddenNode);

  say("starting the collector, the reflector with its witness, and the agents");
  const collector = `${net.collector.management}:9470`;
  await startCollector(net, folder);
  await startReflector(net, key, collector);
  const agents = new Map<string, HostProcess>();
  const unexpectedExits: string[] = [];
  const startAgent = async (node: LabNode, nodeId: string, more: Readonly<Record<string, string>>) => {
    const stateDir = join(folder, `agent-${node.name}-as-${nodeId}`);
    const program = [...AGENT_NODE.flags, PROGRAMS.agent, "--collector", collector];
    const env = {
      ...AGENT_NODE.environment,
      ...agentEnvironment(folder, key),
      ...(node === hiddenNode ? proxyEnvironment(net) : {}),
      ...more,
    };
    return node.host.spawn(process.execPath, [...program, "--state-dir", stateDir, "--node-id", nodeId], { env });
  };
  /** Restarts an agent that exits, as Talos does with an extension's service, and reports the exit as unexpected. */
  const keepAgent = async (node: LabNode, more: Readonly<Record<string, string>>): Promise<void> => {
    const agent = await startAgent(node, node.name, more);
    agents.set(node.name, agent);
    void agent.ended.then(async ({ status, signal: by }) => {
      if (agents.get(node.name) !== agent || closing) return;
      const output = `${agent.printed()}${agent.complained()}`.slice(-LOG_MAX_CHARS);
      const unexpectedExit = `unexpected exit: agent of ${node.name} (${by ?? status}), started again; last output: ${output}`;
      unexpectedExits.push(unexpectedExit);
      say(unexpectedExit);
      await keepAgent(node, more);
    });
  };
  let closing = false;
  undo.push(async () => {
    closing = true;
  });
  for (const node of nodes) await keepAgent(node, {});

  const watcher = new CollectorObserver(net.collector, collector, clock);
  undo.push(() => watcher.close());
  say("waiting for the first verdicts");
  const testBed: TestBed = {
    nodes,
    hiddenNode,
    net,
    folder,
    deploymentFile: deploymentFileIn(folder),
    keyFile: key,
    filesOf: nodeFiles,
    signalOmni(by) {
      net.tunnel.signalOmni(by);
      services.omni.signal(by);
    },
    async setMode(node, service, mode, only) {
      const some = only === undefined ? {} : { names: only };
      for (const client of [node.host.outer.ipv4, node.host.outer.ipv6]) {
        const request: ModeRequest = { client, service, mode, ...some };
        await requestMode(service === "dns" ? services.dnsControl : services.omniControl, request);
      }
    },
    async restartAgent(node, environment = {}) {
      const agent = agents.get(node.name);
      agents.delete(node.name);
      await agent?.end();
      await keepAgent(node, environment);
    },
    agentLog(node) {
      const agent = agents.get(node.name);
      return agent === undefined ? "" : `${agent.printed()}${agent.complained()}`.trim().slice(-LOG_MAX_CHARS);
    },
    unexpectedExits: () => unexpectedExits,
    impersonate: (node, other) => startAgent(node, other, {}),
    async stopAgent(node) {
      const agent = agents.get(node.name);
      agents.delete(node.name);
      await agent?.end();
    },
    model: (until) => watcher.model(until),
    incidents: ({ name }, until) => watcher.incidents(name, until),
    next: (until) => watcher.next(until),
    until: (holds, withinMs, until) => watcher.until(holds, withinMs, until),
    close,
  };
  const first = await testBed.until((rows) => nodes.every(({ name }) => isJudged(rows, name)), FIRST_MAX_MS, signal);
  if (first !== undefined || signal.aborted) return testBed;
  const ends = [...agents].map(
    ([name, agent]) => `${name}: ${agent.printed().slice(-400)}${agent.complained().slice(-400)}`,
  );
  throw new DrillError(
    "not-started",
    `no verdicts within ${FIRST_MAX_MS / 1_000} s; the agents say\n${ends.join("\n")}`,
  );
}

/** How much of an agent's log is shown where something went wrong, characters. */
const LOG_MAX_CHARS = 800;

/** How long the first verdicts may take, ms. */
const FIRST_MAX_MS = 60_000;

function isJudged(rows: readonly StatusRow[], node: string): boolean {
  return rows.some((row) => row.node === node && row.verdict === "met");
}

function fail(why: string): never {
  throw new DrillError("not-started", why);
}
