/**
 * One part of Lifeline as a child process: started, watched, started again when it dies, and ended by its own pid.
 *
 * 1. A part runs in a process group of its own, so that Ctrl-C reaches it only when its turn to end has come.
 * 2. It holds an IPC channel to this process and ends when that closes, so that no part outlives its starter.
 * 3. Its log is kept in a file of bounded size; the last lines are shown when it cannot start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import type { Clock, Timer } from "@lifeline/measure";

/** How to start a part. */
export interface PartOptions {
  readonly name: string;
  /** The program's file and its arguments, for this process's own Node. */
  readonly program: readonly [file: string, ...args: string[]];
  readonly nodeArguments: readonly string[];
  /** Beside this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** How long it stays dead before it is started again, ms; undefined: it is not. */
  readonly restartAfterMs?: number;
  readonly clock: Clock;
}

/** A part under watch. */
export interface Part {
  readonly name: string;
  /** Process id while it runs. */
  pid(): number | undefined;
  /** How often it has died and was started again. */
  restarts(): number;
  /** How it ended last, such as "exit 2" or "SIGKILL"; undefined while it never has. */
  lastEnd(): string | undefined;
  /** The last lines of its log. */
  logTail(lines: number): string;
  /** Asks it to end with SIGTERM; after `graceMs` SIGKILL. Resolves when it is gone. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

/** Largest log kept of one part, bytes; beyond it the file begins anew. */
const LOG_MAX_BYTES = 16 * 1024 * 1024;

/** Starts a part. Never throws: a part that cannot start shows in `lastEnd`. */
export function startPart({
  name,
  program,
  nodeArguments,
  environment,
  logFile,
  restartAfterMs,
  clock,
}: PartOptions): Part {
  const log = openSync(logFile, "a", 0o600);
  let child: ChildProcess | undefined;
  let restarts = 0;
  let lastEnd: string | undefined;
  let stopping = false;
  let restart: Timer | undefined;

  const start = () => {
    if (fstatSync(log).size > LOG_MAX_BYTES) ftruncateSync(log);
    const started = spawn(process.execPath, [...nodeArguments, ...program], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    });
    started.once("error", (error) => ended(error.message));
    started.once("exit", (code, signal) => ended(signal ?? `exit ${code}`));
    child = started;
  };
  const ended = (how: string) => {
    child = undefined;
    lastEnd = how;
    if (stopping || restartAfterMs === undefined) return;
    restart = clock.after(restartAfterMs, () => {
      restarts++;
      start();
    });
  };
  start();
  return {
    name,
    pid: () => child?.pid,
    restarts: () => restarts,
    lastEnd: () => lastEnd,
    logTail: (lines) => readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n"),
    async stop(graceMs) {
      stopping = true;
      restart?.cancel();
      const running = child;
      if (running === undefined) return;
      const gone = new Promise<void>((resolve) => running.once("exit", () => resolve()));
      running.kill("SIGTERM");
      const impatience = clock.after(graceMs, () => running.kill("SIGKILL"));
      await gone;
      impatience.cancel();
      closeSync(log);
    },
  };
}
