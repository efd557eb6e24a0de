/** The extension's container on a node that is there already, such as a host of the lab's fleet: in that node's network. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { processesOf, removeCgroups } from "./cgroups.ts";
import type { Prepared } from "./prepared.ts";
import { type Memory, readMemory } from "./process-facts.ts";
import { VerifyError } from "./verify-error.ts";

/** What is run where. */
export interface NodeContainerOptions {
  readonly prepared: Prepared;
  /** A process in the node's network namespace. */
  readonly networkPid: number;
  /** Folder that stands for the node's root (see makeNode): its state outlives a container. */
  readonly node: string;
  /** As an ExtensionServiceConfig adds it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Begins the name of the control group; no other container has it. */
  readonly name: string;
  readonly clock: Clock;
  /** Ends waiting for what it says. */
  readonly signal: AbortSignal;
}

/** One life of the container. */
export interface NodeContainer {
  isAlive(): boolean;
  /** Waits until it has printed `text`. Rejects with a VerifyError `late`, or `failed` when it ends before; and when the signal is aborted. */
  says(text: string, withinMs: number): Promise<void>;
  /** Of the agent; undefined when its process cannot be found. */
  memory(): Memory | undefined;
  /** SIGTERM, as Talos sends it; resolves with how long it took and the exit code. */
  stop(): Promise<{ readonly tookMs: number; readonly status: number | null }>;
  /** kill -9 of all of it. */
  kill(): Promise<void>;
}

/** What the process in the node's network is told, on its standard input: an environment may hold a token, which is no word of a command line. */
export interface OnNodeRequest {
  readonly prepared: Prepared;
  readonly node: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly name: string;
}

const PRINTED_MAX_CHARS = 65_536;
const LOOK_EVERY_MS = 20;
/** Mounts, runc and the agent's start on a busy machine, ms. */
const START_MAX_MS = 30_000;

/** Starts the container; resolves when the agent in it has started. Rejects with a VerifyError. */
export async function startOnNode(options: NodeContainerOptions): Promise<NodeContainer> {
  const { prepared, networkPid, node, environment, name, clock, signal } = options;
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...wayInto(networkPid), ...program()], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify({ prepared, node, environment, name } satisfies OnNodeRequest));
  const container = follow(child, name, clock, signal);
  try {
    await container.says('"agent started"', START_MAX_MS);
    return container;
  } catch (error) {
    await container.kill();
    throw error;
  }
}

/** The node's network; mounts and processes of its own, which end with it. The rest is this machine's: runc needs its control groups. */
function wayInto(networkPid: number): readonly string[] {
  const own = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];
  return ["nsenter", `--net=/proc/${networkPid}/ns/net`, "--", "unshare", ...own];
}

function program(): readonly string[] {
  const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
  return [process.execPath, ...process.execArgv, join(import.meta.dirname, `on-node.${extension}`)];
}

function follow(child: ChildProcess, name: string, clock: Clock, signal: AbortSignal): NodeContainer {
  let [printed, complained] = ["", ""];
  const keep = (text: string, more: string) => (text + more).slice(-PRINTED_MAX_CHARS);
  child.stdout?.setEncoding("utf8").on("data", (more: string) => (printed = keep(printed, more)));
  child.stderr?.setEncoding("utf8").on("data", (more: string) => (complained = keep(complained, more)));
  let isOver = false;
  const ended = new Promise<number | null>((settle) => {
    child.once("error", () => settle(null)).once("close", (status) => settle(status));
  }).finally(() => {
    isOver = true;
  });
  const words = () => `${printed.slice(-600)} ${complained.slice(-600)}`.trim();
  return {
    isAlive: () => !isOver,
    async says(text, withinMs) {
      const lastNs = clock.monotonicNs() + withinMs * NS_PER_MS;
      while (!printed.includes(text)) {
        if (isOver) throw new VerifyError("failed", `${name} ended before it said ${text}: ${words()}`);
        if (clock.monotonicNs() > lastNs)
          throw new VerifyError("late", `${name}: no ${text} within ${withinMs} ms: ${words()}`);
        await pause(clock, LOOK_EVERY_MS, signal);
        signal.throwIfAborted();
      }
    },
    memory() {
      const [pid] = processesOf(name);
      return pid === undefined ? undefined : readMemory(pid);
    },
    async stop() {
      const askedNs = clock.monotonicNs();
      // To the group, for the one that has the container: those before it stand between, and forward nothing.
      if (!isOver && child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      const status = await ended;
      return { tookMs: (clock.monotonicNs() - askedNs) / NS_PER_MS, status };
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
      await removeCgroups(name, clock);
    },
  };
}
