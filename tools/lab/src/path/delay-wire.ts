/**
 * A path with a known delay between two network namespaces, to check a prober's measurements against.
 *
 * 1. The delay is the same each way. A small C program (`delay-wire.c`), built at its first use, makes it: netem would
 *    do, but many kernels come without it.
 * 2. Everything is in two namespaces of this path's own. The host's interfaces, routes and addresses are not touched.
 * 3. The C program owns the namespaces. It removes them when its standard input ends: on `close()`, and also when this
 *    process is killed by any signal.
 * 4. The wire reports its own lateness. The reference is what is captured at the client's interface.
 */
import { type ChildProcess, type ChildProcessByStdio, execFile, type SpawnOptions, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { LabError, reasonText } from "../lab-error.ts";

/** Why a host cannot carry a delayed path. */
export type CannotRunReason =
  | "not-linux"
  | "not-root"
  /** No `ip` command (Debian: iproute2). */
  | "no-ip"
  /** No working C compiler `cc` with the kernel's headers (Debian: gcc, libc6-dev). */
  | "no-compiler"
  /** The kernel or the container refuses network namespaces. */
  | "no-namespaces"
  /** /dev/net/tun is missing or refused. */
  | "no-tun";

/** The path could not be made here; nothing was left behind. */
export interface CannotRun {
  readonly kind: "cannot-run";
  readonly reason: CannotRunReason;
  readonly detail: string;
}

/** Counters of one direction. */
export interface LaneStats {
  readonly carried: number;
  /** Dropped because 4,096 packets already waited. */
  readonly overflowed: number;
  /** Refused by the receiving device. */
  readonly unsent: number;
  /** The latest that a packet left after it was due, ns. */
  readonly worstLateNs: number;
}

/** What a closed path did. */
export interface PathStats {
  readonly toServer: LaneStats;
  readonly toClient: LaneStats;
}

/** A running path. */
export interface DelayedPath {
  readonly kind: "path";
  readonly clientNamespace: string;
  readonly serverNamespace: string;
  readonly clientAddress: string;
  readonly serverAddress: string;
  /** Name of the client's device, for captures there; layer 3, no link header. */
  readonly clientInterface: string;
  /**
   * Removes the path. Resolves with its counters, or `undefined` if the wire had exited. End the processes inside
   * first. Idempotent.
   */
  close(): Promise<PathStats | undefined>;
}

/** Longest delay each way, ms: what `delay-wire.c` accepts. */
const DELAY_MAX_MS = 10_000;

/** Addresses exist only inside the namespaces, so every path can have the same. */
const CLIENT_ADDRESS = "10.77.0.1";
const SERVER_ADDRESS = "10.77.0.2";
const PREFIX_BITS = 24;
const CLIENT_INTERFACE = "wire-client";
const SERVER_INTERFACE = "wire-server";

/** Time a compiler or an `ip` call may take, ms, on a busy machine. */
const COMMAND_TIMEOUT_MS = 60_000;

/** Bytes kept of what the wire prints: its words are under 400. */
const PRINTED_MAX_BYTES = 4_096;

/** Beside the sources; `src/path` and `dist/path` are equally deep. */
const WIRE_SOURCE = fileURLToPath(new URL("../../src/path/delay-wire.c", import.meta.url));

const run = promisify(execFile);
let pathsMade = 0;

/**
 * Makes a path that delays every packet by `delayMs` (0–10,000, thousandths allowed) each way. Resolves with
 * `cannot-run` and its reason where the host does not allow it; throws `bad-input` for a delay out of range.
 */
export async function createDelayedPath(options: {
  readonly delayMs: number;
  readonly log: Logger;
}): Promise<DelayedPath | CannotRun> {
  const { delayMs, log } = options;
  refuseDelay(delayMs);
  return withWireProgram(async (program) => {
    pathsMade += 1;
    const name = `lifeline-${process.pid}-${pathsMade}`;
    return await lay({ program, delayMs, log, clientNamespace: `${name}-client`, serverNamespace: `${name}-server` });
  });
}

/** One end of a wire between namespaces that exist already. */
export interface WireEnd {
  /** Path of the network namespace, e.g. `/proc/PID/ns/net`. */
  readonly namespace: string;
  /** Name of the TUN device the wire makes there, without addresses and down. */
  readonly device: string;
}

/** A wire between two existing namespaces. */
export interface InsertedWire {
  readonly kind: "wire";
  /** Delays each way, from the next packet on, by `delayMs` (0–10,000). Throws `bad-input`. */
  setDelay(delayMs: number): void;
  /** Removes the wire and its devices. Resolves with its counters, or `undefined` if it had exited. Idempotent. */
  close(): Promise<PathStats | undefined>;
}

/**
 * Starts a wire that delays every packet by `delayMs` (0–10,000) each way between two namespaces, which remain after
 * it.
 */
export async function insertDelay(
  delayMs: number,
  client: WireEnd,
  server: WireEnd,
): Promise<InsertedWire | CannotRun> {
  refuseDelay(delayMs);
  return withWireProgram(async (program) => {
    const args = [delayUsOf(delayMs), client.namespace, server.namespace, client.device, server.device];
    const wire = followWire(spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] }));
    if (!(await wire.ready)) return obstacleOf(await wire.ended);
    return {
      kind: "wire",
      setDelay(next) {
        refuseDelay(next);
        wire.write(`${delayUsOf(next)}\n`);
      },
      close: async () => readStats((await wire.end()).printed),
    };
  });
}

function refuseDelay(delayMs: number): void {
  if (delayMs >= 0 && delayMs <= DELAY_MAX_MS) return;
  throw new LabError("bad-input", `delayMs: ${delayMs} is out of range; expected 0 to ${DELAY_MAX_MS}`);
}

const delayUsOf = (delayMs: number) => String(Math.round(delayMs * 1_000));

/** Builds the wire's program for as long as it takes `lay` to start it. */
async function withWireProgram<T>(lay: (program: string) => Promise<T | CannotRun>): Promise<T | CannotRun> {
  const obstacle = await findObstacle();
  if (obstacle !== undefined) return obstacle;
  const folder = await mkdtemp(join(tmpdir(), "lifeline-wire-"));
  try {
    const program = join(folder, "delay-wire");
    return (await compile(program)) ?? (await lay(program));
  } finally {
    // A running program needs its file no longer.
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Starts `command` inside a namespace of a path. The process is the caller's: to await, to bound and to end before
 * `close()`.
 */
export function runIn(
  namespace: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  return spawn("ip", ["netns", "exec", namespace, command, ...args], options);
}

async function findObstacle(): Promise<CannotRun | undefined> {
  if (process.platform !== "linux") return cannotRun("not-linux", `this is ${process.platform}`);
  const uid = process.getuid?.();
  if (uid !== 0) return cannotRun("not-root", `running as uid ${uid}; namespaces and TUN devices need root`);
  return run("ip", ["-V"], { timeout: COMMAND_TIMEOUT_MS }).then(
    () => undefined,
    (error: unknown) => cannotRun("no-ip", reasonText(error)),
  );
}

function cannotRun(reason: CannotRunReason, detail: string): CannotRun {
  return { kind: "cannot-run", reason, detail };
}

async function compile(program: string): Promise<CannotRun | undefined> {
  return run("cc", ["-O2", "-o", program, WIRE_SOURCE], { timeout: COMMAND_TIMEOUT_MS }).then(
    () => undefined,
    (error: unknown) => cannotRun("no-compiler", reasonText(error)),
  );
}

interface Plan {
  readonly program: string;
  readonly delayMs: number;
  readonly log: Logger;
  readonly clientNamespace: string;
  readonly serverNamespace: string;
}

async function lay(plan: Plan): Promise<DelayedPath | CannotRun> {
  const { program, delayMs, log, clientNamespace, serverNamespace } = plan;
  const args = [delayUsOf(delayMs), clientNamespace, serverNamespace, CLIENT_INTERFACE, SERVER_INTERFACE];
  const wire = followWire(spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] }));
  if (!(await wire.ready)) return obstacleOf(await wire.ended);
  try {
    await address(clientNamespace, CLIENT_INTERFACE, CLIENT_ADDRESS);
    await address(serverNamespace, SERVER_INTERFACE, SERVER_ADDRESS);
  } catch (error) {
    await wire.end();
    return cannotRun("no-namespaces", reasonText(error));
  }
  log.debug({ clientNamespace, serverNamespace, delayMs }, "delayed path laid");
  return {
    kind: "path",
    clientNamespace,
    serverNamespace,
    clientAddress: CLIENT_ADDRESS,
    serverAddress: SERVER_ADDRESS,
    clientInterface: CLIENT_INTERFACE,
    async close() {
      const { printed } = await wire.end();
      const stats = readStats(printed);
      log.debug({ clientNamespace, serverNamespace, stats }, "delayed path taken down");
      return stats;
    },
  };
}

interface Ending {
  readonly status: number | null;
  readonly printed: string;
  readonly complained: string;
}

interface Wire {
  /** Whether the wire came to carry packets; `false` when it ended instead. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<Ending>;
  write(line: string): void;
  end(): Promise<Ending>;
}

function followWire(child: ChildProcessByStdio<Writable, Readable, Readable>): Wire {
  let printed = "";
  let complained = "";
  const ended = new Promise<Ending>((resolve) => {
    child.once("error", (error) => resolve({ status: null, printed, complained: error.message }));
    child.once("close", (status) => resolve({ status, printed, complained }));
  });
  const ready = new Promise<boolean>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed = (printed + text).slice(0, PRINTED_MAX_BYTES);
      if (printed.startsWith("ready\n")) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complained = (complained + text).slice(0, PRINTED_MAX_BYTES);
  });
  // Writing to a wire that has exited fails here; `ended` reports the exit.
  child.stdin.on("error", () => undefined);
  return {
    ready,
    ended,
    write: (line) => void child.stdin.write(line),
    end() {
      child.stdin.end();
      return ended;
    },
  };
}

/**
 * `delay-wire.c` exits 3 without namespaces and 4 without TUN; `null` is a program that could not be started or was
 * killed.
 */
function obstacleOf({ status, complained }: Ending): CannotRun {
  const detail = complained.trim() || `delay-wire ended with status ${status}`;
  if (status === 4) return cannotRun("no-tun", detail);
  return status === 3 ? cannotRun("no-namespaces", detail) : cannotRun("no-compiler", detail);
}

async function address(namespace: string, device: string, ip: string): Promise<void> {
  const steps = [
    ["link", "set", "lo", "up"],
    // No link-local address: it would send router solicitations of its own into the captures.
    ["link", "set", device, "addrgenmode", "none"],
    ["addr", "add", `${ip}/${PREFIX_BITS}`, "dev", device],
    ["link", "set", device, "up"],
  ];
  for (const step of steps) await run("ip", ["-n", namespace, ...step], { timeout: COMMAND_TIMEOUT_MS });
}

function readStats(printed: string): PathStats | undefined {
  const counters = printed.split("\n")[1] ?? "";
  return counters === "" ? undefined : (JSON.parse(counters) as PathStats);
}
