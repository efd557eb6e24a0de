/**
 * The test bed of every drill: a fleet's network, Omni's services, the reflector with its witness, a collector, and an agent on each
 * node; all of them the programs as they are shipped, each in its own network namespace.
 *
 *     node1 … node4 ── hop ── omni: API 443, Machine API 8090, DNS 53, proxy 3128, WireGuard 51820 (shared by STAMP), NTP 123
 *          └── management network ── collector (no fault touches it, U3)
 *
 * The last node is behind a NAT and knows its proxy: what the witness hears of it says nothing, and its HTTPS goes the proxy's way.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { AGENT_NODE, COLLECTOR_NODE } from "@lifeline/bundle";
import type { StatusModel, StatusRow } from "@lifeline/cli";
import {
  canRunFleet,
  createFleetNet,
  defaultNodeFiles,
  type FleetNet,
  type FleetNode,
  type Host,
  type HostProcess,
  LabError,
  type ModeRequest,
  requestMode,
  type ServiceMode,
  type ServiceName,
  SIDEROLINK_PORT,
  serverLink,
  TUNNEL_PREFIX,
} from "@lifeline/lab";
import { type Clock, pause } from "@lifeline/measure";
import pino from "pino";
import { stringify } from "yaml";
import type { CollectorAnswer } from "./collector-answer.ts";
import { DrillError } from "./drill-error.ts";

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
  /** Folder of the test bed, with `public-root.pem`, which certificates of the lab's public names chain to; it goes with the test bed. */
  readonly folder: string;
  readonly deploymentFile: string;
  /** The key that agents and the reflector share. */
  readonly keyFile: string;
  /** The files of a node of that name which lie over the machine's: path → content. */
  filesOf(name: string): Readonly<Record<string, string>>;
  /** Puts a service in a mode for one node, both families; and back. */
  setMode<Service extends ServiceName>(
    node: LabNode,
    service: Service,
    mode: ServiceMode<Service>,
    names?: readonly string[],
  ): Promise<void>;
  /** Starts the node's agent anew with more environment; without, as it was at first. */
  restartAgent(node: LabNode, environment?: Readonly<Record<string, string>>): Promise<void>;
  /** Starts a second agent on `node` that goes by the name of `other`. */
  impersonate(node: LabNode, other: string): Promise<HostProcess>;
  /** The end of what the node's agent has logged; empty without one. */
  agentLog(node: LabNode): string;
  /** Agents that died without being asked to, and their last words: none should. */
  deaths(): readonly string[];
  /** Ends a node's agent: the node lives on unmeasured. */
  stopAgent(node: LabNode): Promise<void>;
  /** The latest answer of the collector; waits for the first. */
  model(signal: AbortSignal): Promise<StatusModel>;
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
  /** Tells people what is being done. */
  readonly say: (line: string) => void;
  /** How many nodes; default 4. */
  readonly nodes?: number;
  /** Delay each way by node name, ms; default none. */
  readonly delayMs?: Readonly<Record<string, number>>;
}

/** The lab's names (`.test`: RFC 6761 §6.2), and one public host that stands for all of them. */
export const OMNI_NAME = "omni.lab.test";
export const MACHINE_API_NAME = "siderolink.lab.test";
export const PUBLIC_NAME = "ghcr.io";
const DISCOVERY_NAME = "discovery.talos.dev";

/** Ports of the lab's Omni. */
export const PORTS = {
  api: 443,
  machineApi: 8_090,
  siderolink: SIDEROLINK_PORT,
  dns: 53,
  proxy: 3_128,
  middlebox: 4_443,
  reflector: 862,
  time: 123,
} as const;

/** How often the collector is asked, ms: a fiftieth of the time within which a fault must be seen. */
const QUERY_EVERY_MS = 100;

const root = resolve(import.meta.dirname, "../../..");
const PROGRAMS = {
  agent: join(root, "apps/agent/dist/main.js"),
  collector: join(root, "apps/collector/dist/main.js"),
  reflector: join(root, "apps/reflector/dist/main.js"),
  services: join(root, "tools/lab/dist/services/main.js"),
  observer: join(root, "tools/drill/dist/observer/main.js"),
};

/**
 * A program that answers every datagram with itself, at the address and port it is given (RFC 862): a time server too, as far as a
 * client can tell that one is there.
 */
export const ECHO = `
  const [address, port] = process.argv.slice(1);
  const { createSocket } = require("node:dgram");
  const socket = createSocket({ type: "udp6" }, (bytes, { port, address }) => socket.send(bytes, port, address));
  socket.bind(Number(port), address, () => console.log("listening"));`;

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

  const control = join(folder, "services.sock");
  await startServices(net, folder, control);
  await net.openSink();
  await spawnReady(net.omni, "time server", ["-e", ECHO, "::", String(PORTS.time)], "listening");
  await hide(net, hiddenNode);

  say("starting the collector, the reflector with its witness, and the agents");
  const collector = `${net.collector.management}:9470`;
  await startCollector(net, folder);
  await startReflector(net, key, collector);
  const agents = new Map<string, HostProcess>();
  const deaths: string[] = [];
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
  /** As Talos does with an extension's service: one that dies is started again; and it is said, for it should not. */
  const keepAgent = async (node: LabNode, more: Readonly<Record<string, string>>): Promise<void> => {
    const agent = await startAgent(node, node.name, more);
    agents.set(node.name, agent);
    void agent.ended.then(async ({ status, signal: by }) => {
      if (agents.get(node.name) !== agent || closing) return;
      const output = `${agent.printed()}${agent.complained()}`.slice(-LOG_MAX_CHARS);
      const death = `the agent of ${node.name} died (${by ?? status}) and is started again; it said: ${output}`;
      deaths.push(death);
      say(death);
      await keepAgent(node, more);
    });
  };
  let closing = false;
  undo.push(async () => {
    closing = true;
  });
  for (const node of nodes) await keepAgent(node, {});

  const watcher = observe(net.collector, collector, clock);
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
    async setMode(node, service, mode, only) {
      const some = only === undefined ? {} : { names: only };
      for (const client of [node.host.outer.ipv4, node.host.outer.ipv6]) {
        const request: ModeRequest = { client, service, mode, ...some };
        await requestMode(control, request);
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
    deaths: () => deaths,
    impersonate: (node, other) => startAgent(node, other, {}),
    async stopAgent(node) {
      const agent = agents.get(node.name);
      agents.delete(node.name);
      await agent?.end();
    },
    model: (until) => watcher.model(until),
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

/** Omni is the first server of the network, and its resolver too. */
const OMNI_SERVER = 1;

function nodeFiles(name: string): Record<string, string> {
  const api = `https://${MACHINE_API_NAME}:${PORTS.machineApi}?jointoken=made-up-token-of-the-lab`;
  return {
    ...defaultNodeFiles(name),
    "/etc/resolv.conf": `nameserver ${serverLink(OMNI_SERVER).host.ipv4}\n`,
    "/proc/cmdline": `talos.platform=metal siderolink.api=${api}\n`,
  };
}

async function startServices(net: FleetNet, folder: string, control: string): Promise<void> {
  const { ipv4, ipv6 } = net.omni.outer;
  const both = (port: number) => [`${ipv4}:${port}`, `[${ipv6}]:${port}`];
  const flag = (name: string, values: readonly string[]) => values.flatMap((value) => [`--${name}`, value]);
  const addresses = `${ipv4},${ipv6}`;
  await spawnReady(
    net.omni,
    "services",
    [
      PROGRAMS.services,
      ...flag("dns", both(PORTS.dns)),
      ...flag("web", both(PORTS.api)),
      ...flag("machine-api", both(PORTS.machineApi)),
      ...flag("proxy", both(PORTS.proxy)),
      ...flag("proxy-reaches", [...both(PORTS.api), ...both(PORTS.machineApi)]),
      ...flag("middlebox", [`${ipv4}:${PORTS.middlebox}=${ipv4}:${PORTS.api}`]),
      ...flag("omni-name", [`${OMNI_NAME}=${addresses}`, `${MACHINE_API_NAME}=${addresses}`]),
      ...flag("public-name", [`${PUBLIC_NAME}=${addresses}`, `${DISCOVERY_NAME}=${addresses}`]),
      ...flag("issuer", [`${PUBLIC_NAME}=Sectigo Limited`, `${DISCOVERY_NAME}=Let's Encrypt`]),
      "--control",
      control,
      "--ca-folder",
      folder,
    ],
    "\n",
  );
}

const deploymentFileIn = (folder: string) => join(folder, "deployment.yaml");

async function startCollector(net: FleetNet, folder: string): Promise<void> {
  const { omni, collector } = net;
  const { ipv4, ipv6 } = omni.outer;
  const endpoints = [`${ipv4}:${PORTS.siderolink}`, `[${ipv6}]:${PORTS.siderolink}`];
  const deployment = {
    version: 1,
    name: "lab",
    kind: "on-prem",
    omni: {
      api: `https://${OMNI_NAME}`,
      machineApi: `https://${MACHINE_API_NAME}:${PORTS.machineApi}`,
      siderolink: endpoints,
      stampReflectors: endpoints,
      stampAuthenticated: true,
    },
    egress: { nodesPullDirectly: false },
    network: { resolvers: [ipv4], timeServers: [ipv4] },
    catalogue: { extra: ["registry.yaml"] },
  };
  writeFileSync(deploymentFileIn(folder), stringify(deployment, { aliasDuplicateObjects: false }));
  copyFileSync(join(import.meta.dirname, "../registry.yaml"), join(folder, "registry.yaml"));
  mkdirSync(join(folder, "store"));
  const files = ["--data-dir", join(folder, "store"), "--deployment", deploymentFileIn(folder)];
  const listen = ["--listen", `${collector.management}:9470`, "--http-listen", `${collector.management}:9471`];
  await spawnReady(
    collector,
    "collector",
    [...COLLECTOR_NODE.flags, PROGRAMS.collector, ...files, ...listen, "--allow-plaintext"],
    "the collector serves",
    COLLECTOR_NODE.environment,
  );
}

async function startReflector({ omni }: FleetNet, key: string, collector: string): Promise<void> {
  const share = ["--share", String(PORTS.siderolink), "--witness", String(PORTS.siderolink)];
  const rules = await omni.run(process.execPath, [PROGRAMS.reflector, ...share, "--print-rules"]);
  await omni.nft(rules);
  const listen = ["--listen", `[::]:${PORTS.reflector}`, "--key-file", key];
  const witness = ["--witness", String(PORTS.siderolink), "--collector", collector, "--allow-plaintext"];
  await spawnReady(omni, "reflector", [PROGRAMS.reflector, ...listen, ...witness], "reflecting");
}

function agentEnvironment(folder: string, key: string): Record<string, string> {
  return {
    LIFELINE_ALLOW_PLAINTEXT: "true",
    LIFELINE_ROLES: "talos-node",
    LIFELINE_STAMP_KEY_FILE: key,
    NODE_EXTRA_CA_CERTS: join(folder, "public-root.pem"),
  };
}

/** A proxy for everything but the tunnel. */
export function proxyEnvironment(net: FleetNet, noProxy = `${TUNNEL_PREFIX}::/64`): Record<string, string> {
  return { HTTPS_PROXY: `http://${net.omni.outer.ipv4}:${PORTS.proxy}`, NO_PROXY: `${noProxy},203.0.113.0/24` };
}

/** What the node sends to the SideroLink port leaves from the hop's own address there: its tunnel anew, for a flow keeps its way. */
async function hide({ hop, tunnel }: FleetNet, { name, host }: LabNode): Promise<void> {
  await tunnel.leave(name);
  await hop.nft(`table inet hidden {
  chain nat {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${host.outer.ipv4} udp dport ${PORTS.siderolink} masquerade
    ip6 saddr ${host.outer.ipv6} udp dport ${PORTS.siderolink} masquerade
  }
}
`);
  await tunnel.join(name);
}

async function spawnReady(
  host: Host,
  name: string,
  args: readonly string[],
  said: string,
  env: Readonly<Record<string, string>> = {},
): Promise<HostProcess> {
  const started = host.spawn(process.execPath, args, { env });
  try {
    await started.hasSaid(said);
  } catch (error) {
    const output = `${started.printed().slice(-600)}${started.complained().slice(-600)}`;
    throw new DrillError("not-started", `the ${name} did not start: ${output}`, { cause: error });
  }
  return started;
}

function fail(why: string): never {
  throw new DrillError("not-started", why);
}

interface Watcher extends Pick<TestBed, "model" | "next" | "until"> {
  close(): Promise<void>;
}

/** Follows the collector's answers. */
function observe(host: Host, collector: string, clock: Clock): Watcher {
  const observer = host.spawn(process.execPath, [PROGRAMS.observer, collector, String(QUERY_EVERY_MS)], {
    rawOutput: true,
  });
  let latest: StatusModel | undefined;
  const waiting = new Set<(answer: CollectorAnswer) => void>();
  createInterface({ input: observer.stdout }).on("line", (line) => {
    latest = JSON.parse(line) as StatusModel;
    const answer = { seenNs: clock.monotonicNs(), rows: latest.rows };
    for (const tell of [...waiting]) tell(answer);
  });
  const until: TestBed["until"] = (holds, withinMs, signal) => {
    const given = new AbortController();
    return new Promise((settle) => {
      const end = (answer: CollectorAnswer | undefined) => {
        waiting.delete(look);
        given.abort();
        settle(answer);
      };
      const look = (answer: CollectorAnswer) => holds(answer.rows) && end(answer);
      waiting.add(look);
      void pause(clock, withinMs, AbortSignal.any([given.signal, signal])).then(() => end(undefined));
    });
  };
  const next: TestBed["next"] = (signal) => until(() => true, NEXT_MAX_MS, signal);
  return {
    next,
    until,
    async model(signal) {
      if (latest === undefined) await next(signal);
      return latest ?? fail(`the collector does not answer: ${observer.complained().slice(-600)}`);
    },
    close: async () => {
      await observer.end();
    },
  };
}

/** How long an answer is waited for, ms: ten of the collector's own bound. */
const NEXT_MAX_MS = 20_000;
