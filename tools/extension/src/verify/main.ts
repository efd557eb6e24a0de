/** `npm run extension:verify`. Exit codes: 0 all is right or cannot be run here, 1 something is wrong, 2 wrong arguments. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { guardProcess, pause, systemClock } from "@lifeline/measure";
import { LayoutError, readLayer } from "../validate/oci-layout.ts";
import { problemLine } from "../validate/problem.ts";
import { readTarEntries, TarError } from "../validate/read-tar.ts";
import type { Architecture } from "../validate/tar-entry.ts";
import { validateExtension } from "../validate/validate-extension.ts";
import { type Arguments, readArguments, USAGE } from "./arguments.ts";
import { removeCgroups } from "./cgroups.ts";
import { type Check, checkLine } from "./check.ts";
import { playInside } from "./inside.ts";
import { obstacles } from "./machine.ts";
import { VerifyError } from "./verify-error.ts";

guardProcess();

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Versions of Talos that the extension must be for. */
const TALOS = [
  [1, 10, 0],
  [1, 12, 0],
  [1, 14, 0],
] as const;

/** True when all layers are right; else every problem has been told. */
async function validate({ from, architectures }: Arguments): Promise<boolean> {
  let count = 0;
  for (const architecture of architectures) {
    const { tar, manifestDigest, packedBytes } = await readLayer(from, architecture);
    const { problems } = validateExtension(await readTarEntries(tar), { architecture, talos: TALOS });
    count += problems.length;
    for (const problem of problems) say(`WRONG ${architecture} ${problemLine(problem)}`);
    if (problems.length === 0) say(`valid ${architecture} ${manifestDigest}, ${packedBytes} bytes packed`);
  }
  return count === 0;
}

/** Runs this program again as the first process of namespaces of its own; resolves with its exit code. */
async function enter(args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-extension-verify-"));
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
  const again = [process.execPath, ...process.execArgv, import.meta.filename, ...args, "--inside", folder];
  // In a group of its own: a terminal's Ctrl-C comes to us alone. Killed with us, and what it started with it, by the kernel.
  const command = ["--pdeathsig", "KILL", "unshare", ...namespaces, ...again];
  const child = spawn("setpriv", command, { stdio: ["ignore", "inherit", "inherit"], detached: true });
  const interrupt = () => child.kill("SIGKILL");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupt);
  const code = await new Promise<number>((settle) => {
    child.once("error", () => settle(1)).once("close", (status) => settle(status ?? 130));
  });
  await clear(folder);
  return code;
}

/** Tries of removing what is left, and the time between two, ms: what a killed run was writing may come again until it is all dead. */
const CLEAR_TRIES = 20;
const CLEAR_EVERY_MS = 100;

async function clear(folder: string): Promise<void> {
  for (let tries = 0; tries < CLEAR_TRIES; tries += 1) {
    await removeCgroups(basename(folder), systemClock);
    rmSync(folder, { recursive: true, force: true, maxRetries: CLEAR_TRIES, retryDelay: CLEAR_EVERY_MS });
    await pause(systemClock, CLEAR_EVERY_MS);
    if (!existsSync(folder)) return;
  }
  say(`left behind: ${folder}`);
}

async function runInside(given: Arguments, folder: string): Promise<number> {
  const checks: Check[] = [];
  const tell = (check: Check) => {
    checks.push(check);
    if (!given.json) process.stdout.write(`${checkLine(check)}\n`);
  };
  try {
    await playInside(given, folder, systemClock, tell, say);
  } finally {
    if (given.json) process.stdout.write(`${JSON.stringify(checks)}\n`);
  }
  return checks.length > 0 && checks.every(({ isRight }) => isRight) ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args);
  if (given.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (given.inside !== undefined) return runInside(given, given.inside);
  if (!(await validate(given))) return 1;
  const reasons = obstacles(given.architectures satisfies readonly Architecture[]);
  if (reasons.length === 0) return enter(args);
  const isCi = process.env["CI"] === "true";
  say(`${isCi ? "cannot run" : "not run"} here: ${reasons.join("; ")}`);
  return isCi ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof VerifyError || error instanceof LayoutError || error instanceof TarError)) throw error;
  process.stderr.write(`npm run extension:verify: ${error.message}\n`);
  process.exitCode = error instanceof VerifyError && error.code === "usage" ? 2 : 1;
}
// The first process of its namespaces must not wait for what it started: the kernel ends that.
if (process.pid === 1) process.exit();
