/** The parts of Lifeline on one machine: stand-in Omni, collector, agent; started in that order, ended in the reverse. */

import { getServers } from "node:dns";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { AGENT_NODE, COLLECTOR_NODE, type NodeProcess } from "@lifeline/bundle";
import { type Catalogue, loadCatalogue, matchesPattern, requirementJson } from "@lifeline/catalogue";
import { type CollectorAddress, collectorAddress, noMatch, type QueryClient, withCollector } from "@lifeline/cli";
import type { StandInState } from "@lifeline/lab";
import type { Clock } from "@lifeline/measure";
import { RpcError } from "@lifeline/rpc";
import { stringify } from "yaml";
import type { Arguments } from "./arguments.ts";
import { freePort } from "./free-port.ts";
import { type Part, startPart } from "./part.ts";
import { jsonFile, StartError, untilReady } from "./ready.ts";

/** The running house. */
export interface House {
  readonly collector: CollectorAddress;
  readonly parts: readonly Part[];
  /** How to reach the stand-in's faults; undefined when a real Omni is measured. */
  readonly labControl: string | undefined;
  /** Resolves once the agent has its plan and the collector has rows for it. */
  planned(): Promise<void>;
  /** Ends the agent, which sends what it has measured first. */
  stopAgent(): Promise<void>;
  /** Ends every part. Idempotent. */
  stop(): Promise<void>;
}

/** What the house needs to know. */
export interface HouseOptions {
  readonly wanted: Arguments;
  /** A directory of the house's own: configuration, logs, spool and store. */
  readonly directory: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const root = resolve(import.meta.dirname, "../../..");

/** The programs as built. */
const PROGRAMS = {
  lab: join(root, "tools/lab/dist/main.js"),
  collector: join(root, "apps/collector/dist/main.js"),
  agent: join(root, "apps/agent/dist/main.js"),
};

/** Time the agent is given to flush (its own bound is 3 s), the others to close, ms. */
const STOP_GRACE_MS = 6_000;

/** The stand-in's name, so that no row of it can be taken for a real Omni's (`.test`: RFC 6761 §6.2). */
const LAB_HOST = "omni.lab.test";

/** Time server named for the lab's host, which is no Talos node: Talos's own default (talos pkg/machinery/constants). */
const DEFAULT_TIME_SERVER = "time.cloudflare.com";

/** Starts every part and waits until the collector answers. @throws StartError, having ended what it started. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const parts: Part[] = [];
  const stop = async () => {
    for (const part of parts.toReversed()) await part.stop(STOP_GRACE_MS);
  };
  try {
    return await furnish(options, parts, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function furnish(options: HouseOptions, parts: Part[], stop: () => Promise<void>): Promise<House> {
  const { wanted, directory, clock, signal } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  refuseTaken(directory);
  const part = (name: keyof typeof PROGRAMS, args: readonly string[], node?: NodeProcess) => {
    const restartAfterMs = name === "lab" ? {} : { restartAfterMs: wanted.restartAfterSeconds * 1_000 };
    const logFile = join(directory, `${name}.log`);
    const started = startPart({
      name,
      program: [PROGRAMS[name], ...args],
      nodeArguments: node?.flags ?? [],
      environment: node?.environment ?? {},
      logFile,
      clock,
      ...restartAfterMs,
    });
    parts.push(started);
    return started;
  };
  const labControl = wanted.omni === undefined ? join(directory, "lab.sock") : undefined;
  const deployment = join(directory, "deployment.yaml");
  const standIn = labControl === undefined ? undefined : await startStandIn(labControl, part, options);
  writeFileSync(deployment, stringify(standIn === undefined ? realDeployment(wanted) : labDeployment(standIn)));

  const port = await freePort();
  const readyFile = join(directory, COLLECTOR_READY);
  const listen = ["--listen", `127.0.0.1:${port}`, "--http-listen", `127.0.0.1:${await freePort()}`];
  const files = ["--data-dir", join(directory, "store"), "--deployment", deployment, "--ready-file", readyFile];
  if (wanted.only !== undefined) files.push("--catalogue", writeNarrowed(wanted.only, directory));
  const collector = part("collector", [...listen, ...files], COLLECTOR_NODE);
  await untilReady(collector, clock, signal, async () => jsonFile(readyFile));

  const config = join(directory, "agent.yaml");
  const stateDir = join(directory, "agent");
  const roles = ["omni-host", "talos-node"];
  const hostsFile = join(directory, "hosts");
  writeFileSync(hostsFile, `${systemHosts()}\n127.0.0.1 ${LAB_HOST}\n`);
  writeFileSync(config, stringify({ collector: `127.0.0.1:${port}`, stateDir, nodeId: hostname(), roles, hostsFile }));
  const agent = part("agent", ["--config", config], AGENT_NODE);
  const address = collectorAddress({ collector: `127.0.0.1:${port}` }, {});
  return {
    collector: address,
    parts,
    labControl,
    planned: () => untilReady(agent, clock, signal, () => withCollector(address, hasRows)).then(() => undefined),
    stopAgent: () => agent.stop(STOP_GRACE_MS),
    stop,
  };
}

type StartPart = (name: "lab", args: readonly string[]) => Part;

async function startStandIn(
  control: string,
  part: StartPart,
  { directory, clock, signal }: HouseOptions,
): Promise<StandInState> {
  const stateFile = join(directory, LAB_STATE);
  const lab = part("lab", ["--control", control, "--state-file", stateFile, "--name", LAB_HOST]);
  return untilReady(lab, clock, signal, async () => jsonFile<StandInState>(stateFile));
}

function labDeployment({ listeners, caPem }: StandInState) {
  const at = (name: string) => `${LAB_HOST}:${listeners.find((one) => one.name === name)?.port}`;
  return {
    version: 1,
    name: "lab",
    kind: "on-prem",
    omni: {
      api: `https://${at("api")}`,
      machineApi: `https://${at("machine-api")}`,
      siderolink: [at("siderolink")],
      stampReflectors: [at("siderolink")],
      caPem,
    },
    // The public domains are measured as an Omni host needs them; what nodes pull is theirs to measure.
    egress: { nodesPullDirectly: false },
    network: { timeServers: [DEFAULT_TIME_SERVER], resolvers: hostResolvers() },
  };
}

/** What the parts write once they are ready. Left behind by a run that was killed, they would speak of parts that are gone. */
const COLLECTOR_READY = "collector.ready.json";
const LAB_STATE = "lab.json";

/** Forgets what a killed run left behind. @throws StartError when a run that lives holds the directory. */
function refuseTaken(directory: string): void {
  for (const name of [COLLECTOR_READY, LAB_STATE]) {
    const path = join(directory, name);
    const holder = jsonFile<{ readonly pid: number }>(path);
    if (holder !== undefined && isAlive(holder.pid)) {
      throw new StartError(`--state-dir: "${directory}" is in use by process ${holder.pid}; want one of its own`);
    }
    rmSync(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Writes the bundled catalogue with the matching rows alone, so that what is not asked for is not measured either. */
function writeNarrowed(only: string, directory: string): string {
  const { version, title, requirements } = narrowed(only);
  const rows = requirements.map((row) => JSON.parse(requirementJson(row)));
  const path = join(directory, "catalogue.yaml");
  writeFileSync(path, stringify({ schema: 1, version, title, requirements: rows }));
  return path;
}

/** The rows of the bundled catalogue that `only` matches. @throws CliError `usage` when there is none, naming the closest. */
export function narrowed(only: string): Catalogue {
  const whole = loadCatalogue();
  const requirements = whole.requirements.filter(({ id }) => matchesPattern(only, id));
  if (requirements.length > 0) return { ...whole, requirements };
  throw noMatch(
    only,
    whole.requirements.map(({ id }) => id),
  );
}

/** This host's own static names; none when there is no such file. */
function systemHosts(): string {
  return existsSync("/etc/hosts") ? readFileSync("/etc/hosts", "utf8") : "";
}

/** The resolvers of this host, as addresses; a port of their own, which Node writes behind the address, is left out. */
function hostResolvers(): string[] {
  return getServers().filter((server) => isIP(server) !== 0);
}

function realDeployment({ omni }: Arguments) {
  if (omni === undefined) throw new TypeError("no Omni was named");
  const { api, machineApi, siderolink, caFile } = omni;
  const isSaas = /^https:\/\/[^/]+\.omni\.siderolabs\.io\/?$/i.test(api);
  return {
    version: 1,
    name: "omni",
    kind: isSaas ? "saas" : "on-prem",
    omni: {
      api,
      siderolink,
      ...(machineApi === undefined ? {} : { machineApi }),
      ...(caFile === undefined ? {} : { caFile: resolve(caFile) }),
    },
    network: { timeServers: [DEFAULT_TIME_SERVER] },
  };
}

/** Whether the collector has rows to show; a collector that is not there yet has none. */
async function hasRows(client: QueryClient): Promise<true | undefined> {
  try {
    const { rows } = await client.unary("listVerdicts", { pageSize: 1 }, { timeoutMs: 2_000 });
    return rows.length > 0 ? true : undefined;
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}
