/**
 * `npm run extension:verify`. Exit codes: 0 every check passed, or it cannot run here; 1 a check failed; 2 wrong
 * arguments.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { runTool } from "@lifeline/harness";
import { guardProcess, pause, systemClock } from "@lifeline/measure";
import { exitCodeOf } from "../extension-error.ts";
import { readLayer } from "../oci-layout.ts";
import { validateExtension } from "../validate/validate-extension.ts";
import { type Arguments, readArguments } from "./arguments.ts";
import { removeCgroups } from "./cgroups.ts";
import { type Check, checkLine } from "./check.ts";
import { obstacles } from "./machine.ts";
import { runInNamespaces } from "./namespaced-run.ts";

guardProcess();

const log = (text: string) => process.stderr.write(`${text}\n`);

/** Whether all layers are valid. Prints every problem. */
async function validate({ from, architectures }: Arguments): Promise<boolean> {
  let count = 0;
  for (const architecture of architectures) {
    const { tree, manifestDigest, packedBytes } = await readLayer(from, architecture);
    const { problems } = validateExtension(tree, architecture);
    count += problems.length;
    for (const problem of problems) log(`WRONG ${architecture} ${problem}`);
    if (problems.length === 0) log(`valid ${architecture} ${manifestDigest}, ${packedBytes} bytes packed`);
  }
  return count === 0;
}

/** Runs this program again as the first process of namespaces of its own; resolves with its exit code. */
async function enter(args: readonly string[]): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "lifeline-extension-verify-"));
  const namespaces = [
    "--mount",
    "--propagation",
    "private",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
  ];
  const again = [process.execPath, ...process.execArgv, import.meta.filename, ...args, "--inside", directory];
  // In a process group of its own, so that a terminal's Ctrl-C reaches this process alone. The kernel kills it, and all
  // that it started, when this process ends.
  const command = ["--pdeathsig", "KILL", "unshare", ...namespaces, ...again];
  const child = spawn("setpriv", command, { stdio: ["ignore", "inherit", "inherit"], detached: true });
  const interrupt = () => child.kill("SIGKILL");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupt);
  const code = await new Promise<number>((settle) => {
    child.once("error", () => settle(1)).once("close", (status) => settle(status ?? 130));
  });
  await remove(directory);
  return code;
}

/**
 * Tries of removing the directory, and the time between two, ms: the processes of a killed run may write until the last
 * one is dead.
 */
const REMOVE_TRIES = 20;
const REMOVE_EVERY_MS = 100;

async function remove(directory: string): Promise<void> {
  for (let tries = 0; tries < REMOVE_TRIES; tries += 1) {
    await removeCgroups(basename(directory), systemClock);
    rmSync(directory, { recursive: true, force: true, maxRetries: REMOVE_TRIES, retryDelay: REMOVE_EVERY_MS });
    await pause(systemClock, REMOVE_EVERY_MS);
    if (!existsSync(directory)) return;
  }
  log(`cannot remove: ${directory}`);
}

async function runInside(given: Arguments, directory: string): Promise<number> {
  const checks: Check[] = [];
  const onCheck = (check: Check) => {
    checks.push(check);
    if (!given.json) process.stdout.write(`${checkLine(check)}\n`);
  };
  try {
    await runInNamespaces(given, directory, systemClock, { onCheck, log });
  } finally {
    if (given.json) process.stdout.write(`${JSON.stringify(checks)}\n`);
  }
  return checks.length > 0 && checks.every(({ isRight }) => isRight) ? 0 : 1;
}

async function verify(given: Arguments): Promise<number> {
  if (given.inside !== undefined) return runInside(given, given.inside);
  if (!(await validate(given))) return 1;
  const reasons = obstacles(given.architectures);
  if (reasons.length === 0) return enter(process.argv.slice(2));
  const isCi = process.env["CI"] === "true";
  log(`${isCi ? "cannot run" : "not run"} here: ${reasons.join("; ")}`);
  return isCi ? 1 : 0;
}

process.exitCode = await runTool(
  { name: "npm run extension:verify", read: readArguments, run: verify, exitCodeOf },
  process.argv.slice(2),
);
// The first process of its namespaces does not wait for what it started: the kernel ends that.
if (process.pid === 1) process.exit();
