/**
 * The extension's container on a node that exists already, such as a host of the lab's fleet: in that node's network.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { ExtensionError } from "../extension-error.ts";
import { processesOf, removeCgroups } from "./cgroups.ts";
import type { NodeContainerRequest } from "./node-container-request.ts";
import { type Memory, readMemory } from "./process-facts.ts";
import { WAIT_MAX_MS, within } from "./wait.ts";

/** What runs where. */
export interface NodeContainerOptions extends NodeContainerRequest {
  /** A process in the node's network namespace. */
  readonly networkPid: number;
  readonly clock: Clock;
  /** Ends the wait for the start. */
  readonly signal: AbortSignal;
}

const OUTPUT_MAX_CHARS = 65_536;
const STARTED = '"agent started"';

/** One container, from its start to its end. */
export class NodeContainer {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #child: ChildProcess;
  readonly #events = new EventEmitter<{ output: [] }>();
  readonly #ended: Promise<number | null>;
  #isOver = false;
  #stdout = "";
  #stderr = "";

  /** Starts the container; resolves when the agent in it has started. Throws ExtensionError `late` or `command`. */
  static async start(options: NodeContainerOptions): Promise<NodeContainer> {
    const container = new NodeContainer(options);
    try {
      await container.#untilStarted(options.signal);
      return container;
    } catch (error) {
      await container.kill();
      throw error;
    }
  }

  private constructor({ extension, networkPid, node, environment, name, clock }: NodeContainerOptions) {
    this.#name = name;
    this.#clock = clock;
    const command = ["--pdeathsig", "KILL", ...enterNode(networkPid), ...program()];
    const child = spawn("setpriv", command, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify({ extension, node, environment, name } satisfies NodeContainerRequest));
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      this.#stdout = (this.#stdout + more).slice(-OUTPUT_MAX_CHARS);
      this.#events.emit("output");
    });
    child.stderr.setEncoding("utf8").on("data", (more: string) => {
      this.#stderr = (this.#stderr + more).slice(-OUTPUT_MAX_CHARS);
    });
    this.#child = child;
    this.#ended = new Promise<number | null>((resolve) => {
      child.once("error", () => resolve(null)).once("close", (status) => resolve(status));
    }).finally(() => {
      this.#isOver = true;
    });
  }

  async #untilStarted(signal: AbortSignal): Promise<void> {
    const started = new Promise<void>((resolve) => {
      this.#events.on("output", () => this.#stdout.includes(STARTED) && resolve());
    });
    const end = this.#ended.then((): never => {
      throw new ExtensionError("command", `${this.#name} ended before the agent started: ${this.#lastOutput()}`);
    });
    const late = () => `${this.#name}: the agent has not started: ${this.#lastOutput()}`;
    await within(Promise.race([started, end]), WAIT_MAX_MS, this.#clock, late, signal);
  }

  #lastOutput(): string {
    return `${this.#stdout.slice(-600)} ${this.#stderr.slice(-600)}`.trim();
  }

  isAlive(): boolean {
    return !this.#isOver;
  }

  /** Of the agent; undefined when its process cannot be found. */
  memory(): Memory | undefined {
    const [pid] = processesOf(this.#name);
    return pid === undefined ? undefined : readMemory(pid);
  }

  /** Sends SIGTERM, as Talos does. Resolves with the time it took and the exit code. */
  async stop(): Promise<{ readonly tookMs: number; readonly status: number | null }> {
    const startNs = this.#clock.monotonicNs();
    // To the whole group: setpriv, nsenter and unshare are between, and forward nothing.
    if (!this.#isOver && this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGTERM");
    const status = await this.#ended;
    return { tookMs: (this.#clock.monotonicNs() - startNs) / NS_PER_MS, status };
  }

  /** kill -9 of all of it. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    await removeCgroups(this.#name, this.#clock);
  }
}

/**
 * The node's network, with mounts and processes of its own, which end with it. The rest is this machine's: runc needs
 * its control groups.
 */
function enterNode(networkPid: number): readonly string[] {
  const own = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];
  return ["nsenter", `--net=/proc/${networkPid}/ns/net`, "--", "unshare", ...own];
}

function program(): readonly string[] {
  const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
  return [process.execPath, ...process.execArgv, join(import.meta.dirname, `node-container-process.${extension}`)];
}
