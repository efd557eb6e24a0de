/** The shipped programs, as processes that may be killed at any moment and are started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Clock, pause } from "@lifeline/measure";
import { CrashError } from "./crash-error.ts";

/** The shipped programs, by the room each lives in. */
export type Room = "agent" | "collector" | "reflector" | "cli";

/** What Node is given to run a program: its build beside this file's build, or its source when this runs from source. */
export function entry(room: Room): readonly string[] {
  const folder = join(import.meta.dirname, "../../../apps", room);
  const isSource = import.meta.filename.endsWith(".ts");
  if (isSource) return ["--conditions=lifeline:source", join(folder, "src/main.ts")];
  return [join(folder, "dist/main.js")];
}

/** The module that shifts a program's wall clock. */
const WALL_CLOCK = join(import.meta.dirname, import.meta.filename.endsWith(".ts") ? "wall-clock.ts" : "wall-clock.js");

/** How long a program may take until it is ready, ms. */
const READY_MAX_MS = 15_000;

/** A program. */
export interface Program {
  readonly name: string;
  /** Of its process; undefined while it is dead. */
  readonly pid: number | undefined;
  /** Everything it has printed, of all its lives. */
  printed(): string;
  /** Starts it, unless it lives. */
  start(): void;
  /** kill -9, unless it is dead; resolves when it is. */
  kill(): Promise<void>;
  /** Asks it to stop, and waits until it has. */
  stop(): Promise<void>;
  readonly isAlive: boolean;
  readonly lives: number;
  /** Lives that ended without being killed: a defect, unless its disk was full. */
  readonly deaths: number;
}

/** What a program is run with. */
export interface ProgramOptions {
  readonly room: Room;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** File that holds the shift of its wall clock; undefined: it is not shifted. */
  readonly clockFile: string | undefined;
  /** Flags of its Node. Default none. */
  readonly flags?: readonly string[];
  /** A command that is given Node and its arguments, and becomes it (exec). Default none. */
  readonly launcher?: readonly string[];
}

/** A program that is not started yet. */
export function createProgram(options: ProgramOptions): Program {
  const { room, args, environment, clockFile, flags = [], launcher = [] } = options;
  let child: ChildProcess | undefined;
  let text = "";
  let lives = 0;
  let deaths = 0;
  const end = async (signal: NodeJS.Signals) => {
    const dying = child;
    child = undefined;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
    dying.kill(signal);
    await once(dying, "close");
  };
  return {
    name: room,
    get pid() {
      return child?.pid;
    },
    printed: () => text,
    get isAlive() {
      return child !== undefined;
    },
    get lives() {
      return lives;
    },
    get deaths() {
      return deaths;
    },
    start() {
      if (child !== undefined) return;
      lives += 1;
      const shifted = clockFile === undefined ? {} : { CRASH_CLOCK: clockFile };
      const env = { ...process.env, ...environment, ...shifted };
      const before = clockFile === undefined ? [] : ["--import", WALL_CLOCK];
      const [command = "", ...rest] = [...launcher, process.execPath, ...flags, ...before, ...entry(room), ...args];
      const started = spawn(command, rest, {
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = started;
      for (const stream of [started.stdout, started.stderr]) {
        stream.setEncoding("utf8").on("data", (more: string) => {
          text += more;
        });
      }
      started.on("exit", () => {
        if (child !== started) return;
        child = undefined;
        deaths += 1;
      });
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}

/** Waits until `path` exists, 15 s by default. @throws CrashError `not-started` with the end of what the program printed. */
export async function untilReady(path: string, program: Program, clock: Clock, withinMs = READY_MAX_MS): Promise<void> {
  const startedNs = clock.monotonicNs();
  while (!existsSync(path)) {
    if ((clock.monotonicNs() - startedNs) / 1e6 > withinMs) {
      throw new CrashError("not-started", `the ${program.name} is not ready: ${program.printed().slice(-600)}`);
    }
    await pause(clock, 20);
  }
}
