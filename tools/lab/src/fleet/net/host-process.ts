/**
 * A process inside a host of the fleet.
 *
 * 1. It leads a process group of its own and is ended by the group's id, because `nsenter` is its parent and forwards
 *    no signal.
 * 2. The last 64 KiB of each output stream are kept. A caller that needs all output listens to the streams.
 * 3. It ends with its host, however the host ends.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { type Clock, pause } from "@lifeline/measure";
import { LabError } from "../../lab-error.ts";

/** How to start a process. */
export interface HostSpawnOptions {
  /** Its whole environment, in addition to this process's PATH and HOME. Default: nothing more. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working folder, as seen from outside; default: ours. */
  readonly cwd?: string;
  /** Leaves standard output to the caller, as bytes; `printed()` is then empty. Default: false. */
  readonly rawOutput?: boolean;
  /**
   * Runs before other programs of this machine. A server whose queue grows because the machine is busy looks like a
   * fault of the path, and probes in bursts keep the queue full. Default: false.
   */
  readonly isServer?: boolean;
}

/** How a process ended. */
export interface ProcessEnding {
  /** Exit status; `null` when a signal ended it or it could not be started. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of a host. */
export interface HostProcess {
  readonly name: string;
  /** Its process group, as seen from outside. */
  readonly groupId: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The last 64 KiB it printed on standard output, and on standard error. */
  printed(): string;
  complained(): string;
  /**
   * Resolves once either stream's kept text holds `text`; throws `command-failed` when it ends, or `withinMs` pass,
   * before.
   */
  hasSaid(text: string, withinMs?: number): Promise<void>;
  /** Sends a signal to the whole group; nothing happens when it has ended. SIGCONT also wakes what enters the host. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it has ended and its streams are closed. Never rejects. */
  readonly ended: Promise<ProcessEnding>;
  /** SIGTERM, then SIGKILL after 3 s. Resolves when it has ended. Idempotent. */
  end(): Promise<ProcessEnding>;
}

const PRINTED_MAX_CHARS = 65_536;
/** How long a process may take to end after SIGTERM before it is killed, ms. */
const POLITE_MS = 3_000;
/** How often it is looked whether a continued process runs, ms. */
const CONTINUED_LOOK_MS = 20;
/** Ends a wait for a text that never comes, ms; no limit for how fast a process starts. */
const READY_MAX_MS = 120_000;
/** Time between two looks at what a process has said, ms. */
const SAID_LOOK_MS = 10;

/** Starts `command` through `entry`, the command that enters the host. */
export function startProcess(
  clock: Clock,
  name: string,
  entry: readonly string[],
  command: readonly string[],
  options: HostSpawnOptions,
): HostProcess {
  const [program = "", ...args] = [...entry, ...command];
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", ...options.env };
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true, env });
  return follow(clock, name, child, options.rawOutput === true);
}

function follow(
  clock: Clock,
  name: string,
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  rawOutput: boolean,
): HostProcess {
  let ending: ProcessEnding | undefined;
  const printed = rawOutput ? () => "" : keep(child.stdout);
  const complained = keep(child.stderr);
  // Writing to a process that has exited fails here; `ended` reports the exit.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<ProcessEnding>((resolve) => {
    const settle = (how: ProcessEnding) => {
      ending ??= how;
      resolve(ending);
    };
    child.once("error", () => settle({ status: null, signal: null }));
    child.once("close", (status, signal) => settle({ status, signal }));
  });
  const groupId = child.pid ?? 0;
  const send = (signal: NodeJS.Signals) => {
    if (ending !== undefined || groupId === 0) return;
    try {
      process.kill(-groupId, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  // nsenter stops itself when its child stops. It may learn of the stop after SIGCONT, and would then never report the
  // child's end. It waits for the child ("S") once it is past that.
  let latest: NodeJS.Signals | undefined;
  const resume = async () => {
    while (ending === undefined && latest === "SIGCONT" && !(await isWaiting(groupId))) {
      send("SIGCONT");
      await pause(clock, CONTINUED_LOOK_MS);
    }
  };
  const failed = (how: string) => {
    const words = complained().trim().slice(-400) || printed().trim().slice(-400);
    return new LabError("command-failed", `${name}: ${how}${words === "" ? "" : `: ${words}`}`);
  };
  return {
    name,
    groupId,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    printed,
    complained,
    signal(signal) {
      latest = signal;
      send(signal);
      if (signal === "SIGCONT") void resume();
    },
    ended,
    async hasSaid(text, withinMs = READY_MAX_MS) {
      const said = () => printed().includes(text) || complained().includes(text);
      // Counted in looks, not by the clock: each lets the streams be read, however long this program was held up.
      for (let look = 0; !said(); look += 1) {
        if (ending !== undefined) throw failed(`ended before it said "${text}"`);
        if (look * SAID_LOOK_MS > withinMs) throw failed(`did not say "${text}" within ${withinMs} ms`);
        await pause(clock, SAID_LOOK_MS);
      }
    },
    async end() {
      send("SIGTERM");
      const given = new AbortController();
      const late = pause(clock, POLITE_MS, given.signal).then(() => send("SIGKILL"));
      const how = await ended;
      given.abort();
      await late;
      return how;
    },
  };
}

/** Whether a process waits for an event, by its state in proc_pid_stat(5); true where it has ended. */
async function isWaiting(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => ") S");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("S");
}

function keep(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (more: string) => {
    text = (text + more).slice(-PRINTED_MAX_CHARS);
  });
  return () => text;
}
