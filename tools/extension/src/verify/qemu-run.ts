/**
 * The extension of another architecture, under QEMU: its programs load and the agent starts. Nothing else is checked.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, pause } from "@lifeline/measure";
import type { ArchitectureName } from "../architecture.ts";
import { outputOf } from "../command.ts";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Check } from "./check.ts";
import { QEMU } from "./machine.ts";
import { makeNodeRoot } from "./node-root.ts";
import { WAIT_MAX_MS } from "./wait.ts";

/** How long the agent is left idle once it has started, ms. */
const IDLE_MS = 5_000;
/** How long a program may take after SIGTERM, ms: QEMU is some twenty times slower than the machine. */
const STOP_MAX_MS = 60_000;
/** By its path (Debian: coreutils): the container's PATH leads to none. */
const CHROOT = "/usr/sbin/chroot";
const OUTPUT_MAX_CHARS = 16_384;
const STARTED = '"agent started"';

interface Result {
  readonly output: string;
  readonly status: number | null;
}

/**
 * Runs it in the unpacked root of its container, where what would be mounted is made or mounted. Throws ExtensionError
 * `command`.
 */
export async function runUnderQemu(
  root: string,
  certificates: string,
  service: ServiceFile,
  architecture: ArchitectureName,
  clock: Clock,
  onCheck: (check: Check) => void,
): Promise<void> {
  const report = (name: string, isRight: boolean, seen: string) => onCheck({ of: architecture, name, isRight, seen });
  makeNodeRoot(root, certificates);
  copyFileSync(`/usr/bin/${QEMU[architecture]}`, join(root, "qemu"));
  for (const each of ["proc", "run", "dev"]) mkdirSync(join(root, each), { recursive: true });
  await outputOf("mount", ["-t", "proc", "proc", join(root, "proc")]);
  await outputOf("mount", ["-t", "tmpfs", "tmpfs", join(root, "run")]);
  await outputOf("mount", ["--bind", "/dev", join(root, "dev")]);
  const version = await run(root, service, ["--version"], clock);
  const isVersion = version.status === 0 && /^\d+\.\d+\.\d+/.test(version.output);
  report("qemu version", isVersion, `--version: exit ${version.status}: ${version.output.trim().slice(0, 200)}`);
  const idle = await run(root, service, [], clock);
  const isStarted = idle.output.includes(STARTED);
  const end = `SIGTERM: exit ${idle.status}${isStarted ? "" : `: ${idle.output.slice(-300)}`}`;
  report("qemu idle", isStarted && idle.status === 0, `${isStarted ? "started" : "did not start"}; ${end}`);
}

/**
 * Runs the service's command with further arguments to its end, or until the agent has started and been idle for {@link
 * IDLE_MS}.
 */
async function run(root: string, { container }: ServiceFile, more: readonly string[], clock: Clock): Promise<Result> {
  const env = Object.fromEntries(container.environment.map((entry) => entry.split(/=(.*)/s, 2) as [string, string]));
  const args = [root, "/qemu", container.entrypoint, ...container.args, ...more];
  const child = spawn(CHROOT, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const over = new AbortController();
  const started = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_MAX_CHARS);
      if (output.includes(STARTED)) started.resolve();
    });
  }
  // Once: an agent takes a second SIGTERM for an order to end at once.
  const stop = Promise.race([
    started.promise.then(() => pause(clock, IDLE_MS, over.signal)),
    pause(clock, WAIT_MAX_MS, over.signal),
  ])
    .then(() => child.kill("SIGTERM"))
    .then(() => pause(clock, STOP_MAX_MS, over.signal))
    .then(() => child.kill("SIGKILL"));
  const [status] = (await once(child, "close")) as [number | null];
  over.abort();
  await stop;
  return { output, status };
}
