/**
 * Everything a bench starts, so that all of it is ended after any failure or signal.
 *
 * 1. Processes are ended by their own id, politely first, then by SIGKILL; `close` waits for each of them.
 * 2. A process dies with the bench even when the bench is killed (PR_SET_PDEATHSIG, by setpriv of util-linux).
 * 3. `close` works in reverse order: processes inside a namespace end before the namespace is removed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { runIn } from "@lifeline/lab";
import { type Clock, pause } from "@lifeline/measure";
import { BenchError, reasonText } from "./bench-error.ts";

/** What to start. */
export interface ProcessSpec {
  /** The name people know it by. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Network namespace to run in; default: the bench's own. */
  readonly namespace?: string;
  /** Variables added to the bench's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A process of the bench. */
export interface BenchProcess {
  readonly name: string;
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** The last of its stderr, at most 4,096 characters. */
  complaint(): string;
  /** Resolves once stderr holds `text`; rejects with `child-failed` when the process ends, or 20 s pass, before. */
  hasSaid(text: string): Promise<void>;
  readonly ended: Promise<void>;
  /** SIGTERM, then SIGKILL after 5 s. Resolves when it has ended. Idempotent. */
  end(): Promise<void>;
  /** Rejects with `child-failed` when the process ends before `end` is called; never resolves. */
  readonly failure: Promise<never>;
}

/** What a bench works with. */
export interface Workshop {
  readonly clock: Clock;
  /** One line of progress, for people, on stderr. */
  say(line: string): void;
  start(spec: ProcessSpec): BenchProcess;
  /** A fresh folder, removed by `close`. */
  folder(): Promise<string>;
  /** Adds a clean-up to `close`; the latest added runs first. */
  onClose(cleanup: () => Promise<unknown>): void;
  /** Puts everything away; starts after this fail with `interrupted`. Idempotent. */
  close(): Promise<void>;
}

/** How long a process has to come up, ms, on a busy machine. */
const READY_MAX_MS = 20_000;
/** How long a process may take to end after SIGTERM before it is killed, ms. */
const POLITE_MS = 5_000;
const COMPLAINT_MAX_CHARS = 4_096;

/** Opens an empty workshop. */
export function openWorkshop(clock: Clock, say: (line: string) => void): Workshop {
  const cleanups: (() => Promise<unknown>)[] = [];
  let closing: Promise<void> | undefined;
  const putAway = async () => {
    for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) {
      // One thing that will not go must not keep the others.
      await cleanup().catch((error: unknown) => say(`cleaning up: ${reasonText(error)}`));
    }
  };
  return {
    clock,
    say,
    start(spec) {
      if (closing !== undefined) throw new BenchError("interrupted", `${spec.name}: the bench is ending`);
      const process = startProcess(clock, spec);
      cleanups.push(() => process.end());
      return process;
    },
    async folder() {
      const folder = await mkdtemp(join(tmpdir(), "lifeline-bench-"));
      const remove = () => rm(folder, { recursive: true, force: true });
      if (closing !== undefined) {
        await remove();
        throw new BenchError("interrupted", "the bench is ending");
      }
      cleanups.push(remove);
      return folder;
    },
    onClose: (cleanup) => void cleanups.push(cleanup),
    close() {
      closing ??= putAway();
      return closing;
    },
  };
}

function startProcess(clock: Clock, { name, command, args, namespace, env = {} }: ProcessSpec): BenchProcess {
  const line = ["--pdeathsig", "KILL", command, ...args];
  const options = { stdio: ["pipe", "pipe", "pipe"] as ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } };
  const child: ChildProcess =
    namespace === undefined ? spawn("setpriv", line, options) : runIn(namespace, "setpriv", line, options);
  const { stdin, stdout, stderr, pid } = child;
  if (stdin === null || stdout === null || stderr === null) throw new BenchError("child-failed", `${name}: no pipes`);

  let complaint = "";
  let asked = false;
  stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT_MAX_CHARS);
  });
  // Writing to a process that has ended fails here; `failure` reports the end.
  stdin.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      complaint ||= error.message;
      resolve();
    });
    child.once("close", () => resolve());
  });
  const failure = ended.then((): Promise<never> => {
    if (asked) return new Promise<never>(() => undefined);
    const status = child.signalCode ?? `status ${child.exitCode}`;
    throw new BenchError("child-failed", `${name} ended (${status}): ${complaint.trim() || "it said nothing"}`);
  });
  // A caller may race this promise or ignore it, so its rejection must not count as unhandled.
  failure.catch(() => undefined);

  const said = async (text: string) => {
    for (let waitedMs = 0; !complaint.includes(text); waitedMs += 10) {
      if (waitedMs >= READY_MAX_MS) throw new BenchError("child-failed", `${name}: not ready in ${READY_MAX_MS} ms`);
      await pause(clock, 10);
    }
  };
  return {
    name,
    pid: pid ?? 0,
    stdin,
    stdout,
    complaint: () => complaint,
    hasSaid: (text) => Promise.race([said(text), failure]),
    ended,
    failure,
    async end() {
      asked = true;
      if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return ended;
      child.kill("SIGTERM");
      const timer = clock.after(POLITE_MS, () => child.kill("SIGKILL"));
      await ended;
      timer.cancel();
    },
  };
}
