/** One container under runc. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { outputOf } from "../command.ts";
import { ExtensionError } from "../extension-error.ts";
import type { containerSpec } from "./container-spec.ts";
import { type Line, lineOf } from "./log-lines.ts";
import { pollUntil, WAIT_MAX_MS, within } from "./wait.ts";

/** How long Talos waits between SIGTERM and SIGKILL, ms (machined: runner/containerd). */
export const STOP_MAX_MS = 10_000;

/** Most lines that are kept: a day of hints, or some minutes at debug. */
const LINES_MAX = 65_536;
const STDERR_MAX_CHARS = 8_192;
const POLL_MS = 10;
/** How long runc may take to notice that its container has ended, ms. */
const ENDED_MEANWHILE_MS = 10_000;

/** What starts a container. */
export interface ContainerOptions {
  readonly spec: ReturnType<typeof containerSpec>;
  /** For runc's bundle and state. */
  readonly directory: string;
  readonly id: string;
  readonly clock: Clock;
  /** Called with each line of standard output. */
  readonly onLine?: (text: string) => void;
}

/**
 * Creates the container and deletes it before anything runs in it, so that whatever runc itself writes to the root is
 * there already. Throws ExtensionError `command`.
 */
export async function createOnce(spec: ContainerOptions["spec"], directory: string): Promise<void> {
  const bundle = writeBundle(spec, directory);
  // Not outputOf: a container that is created keeps the pipes of runc open.
  const child = spawn("runc", [...rootFlag(directory), "create", "--bundle", bundle, "create-once"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stderr = tailOf(child);
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) throw new ExtensionError("command", `runc create: status ${status}: ${stderr().trim()}`);
  await outputOf("runc", [...rootFlag(directory), "delete", "--force", "create-once"]);
}

/** A container from its start to its end. */
export class Container {
  readonly #options: ContainerOptions;
  readonly #child: ChildProcess;
  readonly #lines: Line[] = [];
  readonly #events = new EventEmitter<{ line: [Line] }>();
  readonly #stderr: () => string;
  /** When runc was called, on the clock's monotonic reading. */
  readonly startedNs: number;
  /** Resolves with its exit code; null: a signal ended it. */
  readonly ended: Promise<number | null>;

  /** Starts it; resolves once its first process exists. Throws ExtensionError `command` or `late`. */
  static async start(options: ContainerOptions): Promise<Container> {
    const container = new Container(options);
    await container.#untilStarted();
    return container;
  }

  private constructor(options: ContainerOptions) {
    const { spec, directory, id, clock } = options;
    this.#options = options;
    const bundle = writeBundle(spec, directory);
    rmSync(this.#pidFile, { force: true });
    this.startedNs = clock.monotonicNs();
    this.#child = spawn("runc", [...rootFlag(directory), "run", "--bundle", bundle, "--pid-file", this.#pidFile, id], {
      stdio: ["ignore", "pipe", "pipe"],
      // In a process group of its own: runc forwards signals, and the container would get one that is meant for this
      // process.
      detached: true,
    });
    this.#stderr = tailOf(this.#child);
    this.ended = (once(this.#child, "close") as Promise<[number | null]>).then(([status]) => status);
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on("line", (text) => this.#add(text));
  }

  get #pidFile(): string {
    return join(this.#options.directory, `${this.#options.id}.pid`);
  }

  #add(text: string): void {
    const line = { ...lineOf(text), atNs: this.#options.clock.monotonicNs() };
    if (this.#lines.length < LINES_MAX) this.#lines.push(line);
    this.#options.onLine?.(text);
    this.#events.emit("line", line);
  }

  async #untilStarted(): Promise<void> {
    const { clock } = this.#options;
    const isOver = () => existsSync(this.#pidFile) || !this.isRunning;
    await pollUntil(isOver, (over) => over, { clock, withinMs: WAIT_MAX_MS, everyMs: POLL_MS });
    if (existsSync(this.#pidFile)) return;
    throw new ExtensionError("command", `runc run: ${this.stderr.trim() || `no process within ${WAIT_MAX_MS} ms`}`);
  }

  /** Process id of its first process, as seen from here. */
  get pid(): number {
    return Number(readFileSync(this.#pidFile, "utf8"));
  }

  /** All lines so far. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** The end of its standard error. */
  get stderr(): string {
    return this.#stderr();
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Waits for the first line, printed already or not, that `isWanted`. Throws ExtensionError: `late` after `withinMs`,
   * `command` when the container ends before.
   */
  async waitForLine(what: string, isWanted: (line: Line) => boolean, withinMs = WAIT_MAX_MS): Promise<Line> {
    const known = this.#lines.find(isWanted);
    if (known !== undefined) return known;
    const next = Promise.withResolvers<Line>();
    const listen = (line: Line) => isWanted(line) && next.resolve(line);
    this.#events.on("line", listen);
    const end = this.ended.then((): never => {
      throw new ExtensionError("command", `the container ended before it printed ${what}: ${this.#lastOutput()}`);
    });
    try {
      const event = Promise.race([next.promise, end]);
      return await within(event, withinMs, this.#options.clock, () => `no line with ${what}: ${this.#lastOutput()}`);
    } finally {
      this.#events.off("line", listen);
    }
  }

  /** Waits for a line with this `msg`, as {@link waitForLine} does. */
  waitForMessage(message: string, withinMs?: number): Promise<Line> {
    return this.waitForLine(`"${message}"`, ({ value }) => value?.["msg"] === message, withinMs);
  }

  #lastOutput(): string {
    const last = this.#lines.slice(-3).map(({ text }) => text);
    return `${last.join(" | ")} ${this.stderr}`.slice(-600);
  }

  /**
   * Stops it as Talos does, with SIGTERM and after ten seconds SIGKILL. Resolves with the time it took and the exit
   * code.
   */
  async stop(): Promise<{ readonly tookMs: number; readonly status: number | null }> {
    const { clock } = this.#options;
    const startNs = clock.monotonicNs();
    const over = new AbortController();
    await this.#signal("TERM");
    const kill = pause(clock, STOP_MAX_MS, over.signal).then(() => this.#signal("KILL"));
    const status = await this.ended;
    const tookMs = (clock.monotonicNs() - startNs) / NS_PER_MS;
    over.abort();
    await kill;
    return { tookMs, status };
  }

  async #signal(name: string): Promise<void> {
    if (!this.isRunning) return;
    const { directory, id, clock } = this.#options;
    try {
      await outputOf("runc", [...rootFlag(directory), "kill", id, name]);
    } catch (error) {
      // The container may have exited first.
      await Promise.race([this.ended, pause(clock, ENDED_MEANWHILE_MS)]);
      if (this.isRunning) throw error;
    }
  }
}

const rootFlag = (directory: string) => ["--root", join(directory, "runc")];

function writeBundle(spec: ContainerOptions["spec"], directory: string): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(spec));
  return directory;
}

/** The end of what a process prints on standard error. */
function tailOf(child: ChildProcess): () => string {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (more: string) => {
    tail = (tail + more).slice(-STDERR_MAX_CHARS);
  });
  return () => tail;
}
