/** Lifeline on one machine: stand-in Omni, collector and agent, started in this order and stopped in reverse. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { AGENT_NODE, COLLECTOR_NODE, type NodeProcess, PLAIN_NODE } from "@lifeline/bundle";
import { type CollectorAddress, collectorAddress, type QueryClient, withCollector } from "@lifeline/cli";
import { freePort } from "@lifeline/harness";
import type { StandInState } from "@lifeline/lab";
import type { Clock } from "@lifeline/measure";
import { RpcError } from "@lifeline/rpc";
import { stringify } from "yaml";
import type { Arguments } from "./arguments.ts";
import { writeSubset } from "./catalogue-subset.ts";
import { LAB_HOST, labDeployment, realDeployment } from "./deployment-file.ts";
import { Part } from "./part.ts";
import { jsonFile, untilReady } from "./ready.ts";
import { COLLECTOR_READY, claimStateDirectory, LAB_STATE } from "./state-directory.ts";

/** What a stack needs. */
export interface LocalStackOptions {
  readonly wanted: Arguments;
  /** A directory of its own: configuration, logs, spool and store. */
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

/** Time that a program has to stop, ms. The agent flushes for at most 3 s. */
const STOP_GRACE_MS = 6_000;

/** The running programs. */
export class LocalStack {
  readonly #options: LocalStackOptions;
  readonly #parts: Part[] = [];
  #address: CollectorAddress | undefined;
  #agent: Part | undefined;

  /** Starts all programs and waits until the collector answers. Throws StartError, after stopping what it started. */
  static async start(options: LocalStackOptions): Promise<LocalStack> {
    const stack = new LocalStack(options);
    try {
      claimStateDirectory(options.directory);
      const deployment = await stack.#writeDeployment();
      const grpcAddress = await stack.#startCollector(deployment);
      stack.#startAgent(grpcAddress);
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  private constructor(options: LocalStackOptions) {
    this.#options = options;
  }

  get parts(): readonly Part[] {
    return this.#parts;
  }

  get collector(): CollectorAddress {
    if (this.#address === undefined) throw new TypeError("the collector is not started");
    return this.#address;
  }

  /** Control socket of the stand-in, for faults; undefined when a real Omni is measured. */
  get labControl(): string | undefined {
    return this.#options.wanted.omni === undefined ? this.#path("lab.sock") : undefined;
  }

  /** Resolves once the agent has its plan and the collector has rows of it. Throws StartError. */
  async planned(): Promise<void> {
    const { clock, signal } = this.#options;
    if (this.#agent === undefined) throw new TypeError("the agent is not started");
    await untilReady(this.#agent, clock, signal, () => withCollector(this.collector, hasRows));
  }

  /** Stops the agent, which first sends what it has measured. */
  async stopAgent(): Promise<void> {
    await this.#agent?.stop(STOP_GRACE_MS);
  }

  /** Stops all programs. Idempotent. */
  async stop(): Promise<void> {
    for (const part of this.#parts.toReversed()) await part.stop(STOP_GRACE_MS);
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }

  #start(name: keyof typeof PROGRAMS, args: readonly string[], node: NodeProcess): Part {
    const { wanted, clock } = this.#options;
    const restart = name === "lab" ? {} : { restartAfterMs: wanted.restartAfterSeconds * 1_000 };
    const program = [PROGRAMS[name], ...args] as const;
    const { flags: nodeArguments, environment } = node;
    const logFile = this.#path(`${name}.log`);
    const part = Part.start({ name, program, nodeArguments, environment, logFile, clock, ...restart });
    this.#parts.push(part);
    return part;
  }

  /** Writes the deployment file; starts the stand-in first unless a real Omni is measured. Returns its path. */
  async #writeDeployment(): Promise<string> {
    const { omni } = this.#options.wanted;
    const content = omni === undefined ? labDeployment(await this.#startStandIn()) : realDeployment(omni);
    const path = this.#path("deployment.yaml");
    writeFileSync(path, stringify(content));
    return path;
  }

  async #startStandIn(): Promise<StandInState> {
    const { clock, signal } = this.#options;
    const stateFile = this.#path(LAB_STATE);
    const args = ["--control", this.#path("lab.sock"), "--state-file", stateFile, "--name", LAB_HOST];
    const lab = this.#start("lab", args, PLAIN_NODE);
    return untilReady(lab, clock, signal, async () => jsonFile<StandInState>(stateFile));
  }

  /** Starts the collector; resolves with its address once it is ready. */
  async #startCollector(deployment: string): Promise<string> {
    const { wanted, directory, clock, signal } = this.#options;
    const address = `127.0.0.1:${await freePort()}`;
    const readyFile = this.#path(COLLECTOR_READY);
    const listen = ["--listen", address, "--http-listen", `127.0.0.1:${await freePort()}`];
    const files = ["--data-dir", this.#path("store"), "--deployment", deployment, "--ready-file", readyFile];
    const catalogue = wanted.only === undefined ? [] : ["--catalogue", writeSubset(wanted.only, directory)];
    const collector = this.#start("collector", [...listen, ...files, ...catalogue], COLLECTOR_NODE);
    await untilReady(collector, clock, signal, async () => jsonFile(readyFile));
    this.#address = collectorAddress({ collector: address }, {});
    return address;
  }

  #startAgent(collector: string): void {
    const hostsFile = this.#path("hosts");
    writeFileSync(hostsFile, `${systemHosts()}\n127.0.0.1 ${LAB_HOST}\n`);
    const roles = ["omni-host", "talos-node"];
    const config = this.#path("agent.yaml");
    const stateDir = this.#path("agent");
    writeFileSync(config, stringify({ collector, stateDir, nodeId: hostname(), roles, hostsFile }));
    this.#agent = this.#start("agent", ["--config", config], AGENT_NODE);
  }
}

/** The static names of this host; empty without such a file. */
function systemHosts(): string {
  return existsSync("/etc/hosts") ? readFileSync("/etc/hosts", "utf8") : "";
}

/** Whether the collector has rows; undefined also when it does not answer yet. */
async function hasRows(client: QueryClient): Promise<true | undefined> {
  try {
    const { rows } = await client.unary("listVerdicts", { pageSize: 1 }, { timeoutMs: 2_000 });
    return rows.length > 0 ? true : undefined;
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}
