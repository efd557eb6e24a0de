/** The shipped programs as processes that may be killed at any moment and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { HarnessError } from "./harness-error.ts";

/** The shipped programs, by room. */
export type Room = "agent" | "collector" | "reflector" | "cli";

const isSource = import.meta.filename.endsWith(".ts");

/** Node's arguments for a program: its build, or its source when this file runs from source. */
export function programArguments(room: Room): readonly string[] {
  const folder = join(import.meta.dirname, "../../../apps", room);
  if (isSource) return ["--conditions=lifeline:source", join(folder, "src/main.ts")];
  return [join(folder, "dist/main.js")];
}

/** The module that shifts a program's wall clock. */
const WALL_CLOCK = join(import.meta.dirname, isSource ? "wall-clock.ts" : "wall-clock.js");

/** How long a program may take to be ready, ms: a hundred times what it takes on a machine with nothing else to do. */
const READY_TIMEOUT_MS = 120_000;
const POLL_MS = 20;

/** Characters of a program's output in an error. */
const TAIL_CHARS = 600;

/** How a program is run. */
export interface ProgramOptions {
  readonly room: Room;
  readonly args: readonly string[];
  /** Added to this process's own. Default none. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Node's own flags. Default none. */
  readonly flags?: readonly string[];
  /** File with the shift of its wall clock, ms (see wall-clock.ts). Default: no shift. */
  readonly clockFile?: string;
  /** A command that gets Node and its arguments, and becomes it (exec). Default none. */
  readonly launcher?: readonly string[];
  /** How much of its output is kept, characters; older output is dropped. Default: all. */
  readonly outputMaxChars?: number;
}

/** A program. It is not started yet. */
export class ShippedProgram {
  readonly #options: ProgramOptions;
  #child: ChildProcess | undefined;
  #output = "";
  #starts = 0;
  #crashes = 0;
  #lastEnd: string | undefined;

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.room;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isAlive(): boolean {
    return this.#child !== undefined;
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts;
  }

  /** Unexpected exits: each is a defect, unless the disk was full. */
  get crashes(): number {
    return this.#crashes;
  }

  /** How it crashed last, such as "exit 1" or "SIGABRT"; undefined: it never did. */
  get lastEnd(): string | undefined {
    return this.#lastEnd;
  }

  /** Its output since the first start. */
  output(): string {
    return this.#output;
  }

  /** The end of its output, for errors. */
  tail(): string {
    return this.#output.slice(-TAIL_CHARS);
  }

  /** Starts it, unless it runs. */
  start(): void {
    if (this.#child !== undefined) return;
    const { room, args, environment = {}, flags = [], clockFile, launcher = [] } = this.#options;
    this.#starts += 1;
    const env = { ...process.env, ...environment, ...(clockFile === undefined ? {} : { WALL_CLOCK_FILE: clockFile }) };
    const preload = clockFile === undefined ? [] : ["--import", WALL_CLOCK];
    const node = [process.execPath, ...flags, ...preload, ...programArguments(room), ...args];
    const [command = "", ...rest] = [...launcher, ...node];
    const child = spawn(command, rest, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => this.#keep(text));
    }
    const onEnd = (how: string) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#crashes += 1;
      this.#lastEnd = how;
    };
    child.on("error", (error) => onEnd(error.message));
    child.on("exit", (code, signal) => onEnd(signal ?? `exit ${code}`));
  }

  /** kill -9, unless it does not run; resolves when it has ended. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Sends it a stop signal; resolves when it has ended. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /**
   * Starts it, unless it runs, and waits until it writes `file`; resolves with the JSON in it. Rejects with a
   * HarnessError `not-started` when it ends, or after 120 s.
   */
  async ready<T>(file: string, clock: Clock, signal?: AbortSignal): Promise<T> {
    if (!this.isAlive) rmSync(file, { force: true });
    this.start();
    const startedNs = clock.monotonicNs();
    for (let text = ""; ; text = readIfThere(file)) {
      if (text !== "") return JSON.parse(text) as T;
      signal?.throwIfAborted();
      const isLate = (clock.monotonicNs() - startedNs) / NS_PER_MS > READY_TIMEOUT_MS;
      if (isLate || !this.isAlive) {
        const why = this.isAlive ? `was not ready within ${READY_TIMEOUT_MS / 1_000} s` : `ended with ${this.#lastEnd}`;
        throw new HarnessError("not-started", `the ${this.name} ${why}; the end of its output:\n${this.tail()}`);
      }
      await pause(clock, POLL_MS, signal);
    }
  }

  #keep(text: string): void {
    const { outputMaxChars } = this.#options;
    this.#output += text;
    if (outputMaxChars !== undefined && this.#output.length > 2 * outputMaxChars) {
      this.#output = this.#output.slice(-outputMaxChars);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "close");
  }
}

/** A program writes its ready file whole, by a rename. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
