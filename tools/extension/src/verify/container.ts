/** One container under runc. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { run } from "./command.ts";
import type { containerSpec } from "./container-spec.ts";
import { VerifyError } from "./verify-error.ts";

/** A line that was printed on standard output. */
export interface Line {
  readonly text: string;
  /** The object it is; undefined: it is none. */
  readonly value: Readonly<Record<string, unknown>> | undefined;
  readonly atNs: number;
}

/** A container's life. */
export interface Life {
  /** Process id of its first process, as seen from here. */
  readonly pid: number;
  /** When runc was called, on the clock's monotonic reading. */
  readonly startedNs: number;
  /** All lines so far. */
  readonly lines: readonly Line[];
  /** What came on standard error. */
  complained(): string;
  isAlive(): boolean;
  /** Resolves with its exit code; null: a signal's. */
  readonly ended: Promise<number | null>;
  /** Waits for a line with this `msg`. @throws VerifyError `late`, or `failed` when it ends before. */
  says(message: string, withinMs: number): Promise<Line>;
  /** SIGTERM, as Talos sends it, and SIGKILL after its ten seconds; resolves with how long it took and the exit code. */
  stop(): Promise<{ readonly tookMs: number; readonly status: number | null }>;
}

/** Talos waits so long after SIGTERM, ms (machined: runner/containerd). */
export const STOP_MAX_MS = 10_000;

/** Most lines that are kept: a day of hints, or some minutes at debug. */
const LINES_MAX = 65_536;
const LOOK_EVERY_MS = 10;
/** How long runc may take to see that its container has ended, ms. */
const ENDED_MEANWHILE_MS = 1_000;
/** How long runc may take to make a container on a busy machine, ms. */
const MAKE_MAX_MS = 20_000;

/** Makes the container and throws it away before anything runs in it: what runc itself writes over the root is there then. */
export async function rehearse(spec: ReturnType<typeof containerSpec>, folder: string): Promise<void> {
  const bundle = bundleOf(spec, folder);
  // Its output must not hold ours open: a container that is made has it already.
  const child = spawn("runc", ["--root", join(folder, "runc"), "create", "--bundle", bundle, "rehearsal"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complained = "";
  child.stderr.setEncoding("utf8").on("data", (more: string) => (complained = (complained + more).slice(-1_000)));
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) throw new VerifyError("failed", `runc create: status ${status}: ${complained.trim()}`);
  await run("runc", ["--root", join(folder, "runc"), "delete", "--force", "rehearsal"]);
}

/** Starts a container; `onLine` is told what it prints. @throws VerifyError `failed` */
export async function start(
  spec: ReturnType<typeof containerSpec>,
  folder: string,
  id: string,
  clock: Clock,
  onLine: (text: string) => void = () => undefined,
): Promise<Life> {
  const bundle = bundleOf(spec, folder);
  const pidFile = join(folder, `${id}.pid`);
  rmSync(pidFile, { force: true });
  const root = ["--root", join(folder, "runc")];
  const startedNs = clock.monotonicNs();
  const child = spawn("runc", [...root, "run", "--bundle", bundle, "--pid-file", pidFile, id], {
    stdio: ["ignore", "pipe", "pipe"],
    // In a group of its own: it would hand on a signal that is meant for us, beside the one that we send.
    detached: true,
  });
  const lines: Line[] = [];
  follow(child, (text) => {
    if (lines.length < LINES_MAX) lines.push({ ...lineOf(text), atNs: clock.monotonicNs() });
    onLine(text);
  });
  let complained = "";
  child.stderr?.setEncoding("utf8").on("data", (more: string) => (complained = (complained + more).slice(-8_192)));
  const ended = (once(child, "close") as Promise<[number | null]>).then(([status]) => status);
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  const untilNs = startedNs + MAKE_MAX_MS * NS_PER_MS;
  while (!existsSync(pidFile) && isAlive() && clock.monotonicNs() < untilNs) await pause(clock, LOOK_EVERY_MS);
  if (!existsSync(pidFile))
    throw new VerifyError("failed", `runc run: ${complained.trim() || "no process within 20 s"}`);
  const signal = async (name: string) => {
    if (!isAlive()) return;
    await run("runc", [...root, "kill", id, name]).catch(async (error: unknown) => {
      // It may have ended meanwhile, by itself.
      await Promise.race([ended, pause(clock, ENDED_MEANWHILE_MS)]);
      if (isAlive()) throw error;
    });
  };
  return {
    pid: Number(readFileSync(pidFile, "utf8")),
    startedNs,
    lines,
    complained: () => complained,
    isAlive,
    ended,
    async says(message, withinMs) {
      const lastNs = clock.monotonicNs() + withinMs * NS_PER_MS;
      for (;;) {
        const line = lines.find(({ value }) => value?.["msg"] === message);
        if (line !== undefined) return line;
        const said = `${lines
          .slice(-3)
          .map(({ text }) => text)
          .join(" | ")} ${complained}`.slice(-600);
        if (!isAlive()) throw new VerifyError("failed", `it ended before it said "${message}": ${said}`);
        if (clock.monotonicNs() > lastNs)
          throw new VerifyError("late", `no "${message}" within ${withinMs} ms: ${said}`);
        await pause(clock, LOOK_EVERY_MS);
      }
    },
    async stop() {
      const askedNs = clock.monotonicNs();
      const given = new AbortController();
      await signal("TERM");
      const late = pause(clock, STOP_MAX_MS, given.signal).then(() => signal("KILL"));
      const status = await ended;
      const tookMs = (clock.monotonicNs() - askedNs) / NS_PER_MS;
      given.abort();
      await late;
      return { tookMs, status };
    },
  };
}

function bundleOf(spec: ReturnType<typeof containerSpec>, folder: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
  return folder;
}

function follow(child: ChildProcess, line: (text: string) => void): void {
  let rest = "";
  child.stdout?.setEncoding("utf8").on("data", (more: string) => {
    const parts = (rest + more).split("\n");
    rest = parts.pop() ?? "";
    for (const text of parts) line(text);
  });
  child.stdout?.on("end", () => rest !== "" && line(rest));
}

function lineOf(text: string): Omit<Line, "atNs"> {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return { text, value: isObject ? (value as Readonly<Record<string, unknown>>) : undefined };
  } catch {
    // No JSON: that is told by `value`.
    return { text, value: undefined };
  }
}
