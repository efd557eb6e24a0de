/**
 * One program of Lifeline as a child process: started, watched, restarted when it exits, and stopped by its own pid.
 *
 * 1. It runs in a process group of its own, so that Ctrl-C does not reach it before this process stops it.
 * 2. It holds an IPC channel to this process and ends when that closes, so that it never outlives this process.
 * 3. Its log is a file of bounded size. The last lines are shown when it cannot start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import type { Clock, Timer } from "@lifeline/measure";

/** How to start a program. */
export interface PartOptions {
  readonly name: string;
  /** Its file and arguments, for this process's own Node. */
  readonly program: readonly [file: string, ...args: string[]];
  readonly nodeArguments: readonly string[];
  /** Added to this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Delay between its exit and its restart, ms; undefined: no restart. */
  readonly restartAfterMs?: number;
  readonly clock: Clock;
}

/** Largest log of one program, bytes; beyond it the file starts again from the beginning. */
const LOG_MAX_BYTES = 16 * 1024 * 1024;

/** A watched program. */
export class Part {
  readonly #options: PartOptions;
  readonly #log: number;
  #child: ChildProcess | undefined;
  #restarts = 0;
  #lastEnd: string | undefined;
  #isStopping = false;
  #restart: Timer | undefined;

  /** Starts the program. Never throws: `lastEnd` holds the reason when it could not start. */
  static start(options: PartOptions): Part {
    const part = new Part(options);
    part.#start();
    return part;
  }

  private constructor(options: PartOptions) {
    this.#options = options;
    this.#log = openSync(options.logFile, "a", 0o600);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Process id while it runs. */
  pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it was started again. */
  restarts(): number {
    return this.#restarts;
  }

  /** How it ended last, such as "exit 2" or "SIGKILL"; undefined while it never has. */
  lastEnd(): string | undefined {
    return this.#lastEnd;
  }

  /** The last lines of its log. */
  logTail(lines: number): string {
    return readFileSync(this.#options.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  }

  /** Sends SIGTERM, and SIGKILL after `graceMs`. Resolves when it has ended. Idempotent. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#restart?.cancel();
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const kill = this.#options.clock.after(graceMs, () => child.kill("SIGKILL"));
    await ended;
    kill.cancel();
    closeSync(this.#log);
  }

  #start(): void {
    const { nodeArguments, program, environment } = this.#options;
    if (fstatSync(this.#log).size > LOG_MAX_BYTES) ftruncateSync(this.#log);
    const child = spawn(process.execPath, [...nodeArguments, ...program], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", this.#log, this.#log, "ipc"],
      detached: true,
    });
    child.once("error", (error) => this.#onEnd(error.message));
    child.once("exit", (code, signal) => this.#onEnd(signal ?? `exit ${code}`));
    this.#child = child;
  }

  #onEnd(how: string): void {
    this.#child = undefined;
    this.#lastEnd = how;
    const { restartAfterMs, clock } = this.#options;
    if (this.#isStopping || restartAfterMs === undefined) return;
    this.#restart = clock.after(restartAfterMs, () => {
      this.#restarts += 1;
      this.#start();
    });
  }
}
