/** Another architecture's extension, started under QEMU: that its programs load and run, no more. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, pause } from "@lifeline/measure";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Architecture } from "../validate/tar-entry.ts";
import type { Check } from "./check.ts";
import { run } from "./command.ts";
import { makeNode } from "./image.ts";
import { QEMU } from "./machine.ts";

/** QEMU is some twenty times slower than the machine. */
const VERSION_MAX_MS = 40_000;
const IDLE_MAX_MS = 60_000;
const STOP_MAX_MS = 20_000;
/** How long it is left idle once it has started. */
const IDLE_MS = 5_000;
/** By its path (Debian: coreutils): the container's PATH leads to none. */
const CHROOT = "/usr/sbin/chroot";
/** Kept of what it says, characters. */
const SAID_MAX_CHARS = 16_384;

interface Ending {
  readonly said: string;
  readonly status: number | null;
}

/** Plays it in the container's unpacked root, into which goes what would be mounted there. */
export async function playForeign(
  root: string,
  certificates: string,
  service: ServiceFile,
  architecture: Architecture,
  clock: Clock,
  tell: (check: Check) => void,
): Promise<void> {
  const told = (name: string, isRight: boolean, seen: string) => tell({ of: architecture, name, isRight, seen });
  makeNode(root, certificates);
  copyFileSync(`/usr/bin/${QEMU[architecture]}`, join(root, "qemu"));
  for (const each of ["proc", "run", "dev"]) mkdirSync(join(root, each), { recursive: true });
  await run("mount", ["-t", "proc", "proc", join(root, "proc")]);
  await run("mount", ["-t", "tmpfs", "tmpfs", join(root, "run")]);
  await run("mount", ["--bind", "/dev", join(root, "dev")]);
  const version = await play(root, service, ["--version"], VERSION_MAX_MS, clock, () => false);
  told(
    "qemu version",
    version.status === 0 && /^\d+\.\d+\.\d+/.test(version.said),
    `--version: exit ${version.status}: ${version.said.trim().slice(0, 200)}`,
  );
  const idle = await play(root, service, [], IDLE_MAX_MS, clock, (said) => said.includes('"agent started"'));
  const isStarted = idle.said.includes('"agent started"');
  told(
    "qemu idle",
    isStarted && idle.status === 0,
    `${isStarted ? "started" : "did not start"}; SIGTERM: exit ${idle.status}${isStarted ? "" : `: ${idle.said.slice(-300)}`}`,
  );
}

async function play(
  root: string,
  { container }: ServiceFile,
  more: readonly string[],
  maxMs: number,
  clock: Clock,
  isEnough: (said: string) => boolean,
): Promise<Ending> {
  const env = Object.fromEntries(
    container.environment.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
  );
  const args = [root, "/qemu", container.entrypoint, ...container.args, ...more];
  const child = spawn(CHROOT, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let isAsked = false;
  const over = new AbortController();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-SAID_MAX_CHARS);
      if (isAsked || !isEnough(said)) return;
      // Once: an agent takes a second SIGTERM for one that will not wait.
      isAsked = true;
      void pause(clock, IDLE_MS, over.signal).then(() => child.kill("SIGTERM"));
    });
  }
  const late = pause(clock, maxMs, over.signal)
    .then(() => child.kill("SIGTERM"))
    .then(() => pause(clock, STOP_MAX_MS, over.signal))
    .then(() => child.kill("SIGKILL"));
  const [status] = (await once(child, "close")) as [number | null];
  over.abort();
  await late;
  return { said, status };
}
