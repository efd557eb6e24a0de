#!/usr/bin/env node
/**
 * The entry of every npm script. Runs on Node 20 or later, installs the locked packages, builds what has changed, and
 * starts the program with the installed Node. Its own messages go to stderr; stdout belongs to the program.
 *
 * node tools/workspace/enter.mjs
 * start|test|check|bench|fault|lab|field|crash|fuzz|soak|attack|extension|extension:verify|lifeline [ARGUMENT ...]
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { packageManager } from "./package-manager.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const binaries = join(root, "node_modules", ".bin");
const environment = {
  ...process.env,
  PATH: `${binaries}${delimiter}${process.env.PATH ?? ""}`,
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
};

/** The programs by name: what to run once the tree is built. */
const programs = {
  start: ["node", join(root, "tools/local/dist/main.js")],
  bench: ["node", join(root, "tools/bench/dist/main.js")],
  fault: ["node", join(root, "tools/lab/dist/fault-command.js")],
  lab: ["node", join(root, "tools/drill/dist/main.js")],
  field: ["node", join(root, "tools/field/dist/main.js")],
  crash: ["node", join(root, "tools/crash/dist/main.js")],
  fuzz: ["node", join(root, "tools/fuzz/dist/main.js")],
  attack: ["node", join(root, "tools/attack/dist/main.js")],
  soak: ["node", join(root, "tools/soak/dist/main.js")],
  extension: ["node", join(root, "tools/extension/dist/main.js")],
  "extension:verify": ["node", join(root, "tools/extension/dist/verify/main.js")],
  lifeline: ["node", join(root, "apps/cli/dist/main.js")],
};

/** Exit code of a program that cannot be started (POSIX shells). */
const CANNOT_START = 127;

function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Runs a command to its end; resolves with its exit code, 128 + signal number when a signal ended it. */
function run(command, commandArguments, { quiet = false, outputToStderr = false } = {}) {
  return new Promise((settle) => {
    const output = quiet ? "pipe" : outputToStderr ? process.stderr : "inherit";
    const child = spawn(command, commandArguments, {
      cwd: root,
      env: environment,
      stdio: ["inherit", output, quiet ? "pipe" : "inherit"],
    });
    let said = "";
    for (const stream of quiet ? [child.stdout, child.stderr] : []) {
      stream.on("data", (chunk) => {
        said += chunk;
      });
    }
    // A terminal sends Ctrl-C to the whole group; the program decides when it has finished.
    const forward = (signal) => signal !== "SIGINT" && child.kill(signal);
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, forward);
    const finish = (code) => {
      for (const signal of signals) process.off(signal, forward);
      if (quiet && code !== 0) say(said);
      settle(code);
    };
    child.on("error", (error) => {
      say(`${command}: ${error.message}`);
      finish(CANNOT_START);
    });
    child.on("close", (code, signal) => finish(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

/** A hash of what the installation depends on: the lock file, the workspace file and every manifest. */
function installationKey() {
  const hash = createHash("sha256").update(process.version);
  const manifests = ["packages", "apps", "tools"].flatMap((folder) =>
    readdirSync(join(root, folder)).map((room) => join(folder, room, "package.json")),
  );
  for (const file of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests.sort()]) {
    if (existsSync(join(root, file))) hash.update(file).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

async function install() {
  const stamp = join(root, "node_modules", ".lifeline-installed");
  const key = installationKey();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return 0;
  say("installing …");
  const pnpm = await packageManager(root, (npmArguments) => run("npm", npmArguments, { quiet: true }));
  if (pnpm.trouble !== undefined) {
    say(`enter.mjs: ${pnpm.trouble}`);
    return 1;
  }
  const code = await run(pnpm.path, ["install", "--frozen-lockfile", "--reporter=append-only"], { quiet: true });
  if (code === 0) writeFileSync(stamp, key);
  return code;
}

const build = () => run("pnpm", ["--silent", "run", "build"], { quiet: true });

/** Runs all tests; the last line on stdout is the count alone. */
async function test(testArguments) {
  const results = join(root, ".lifeline", "test-results.json");
  mkdirSync(dirname(results), { recursive: true });
  writeFileSync(results, "");
  const code = await run("vitest", [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${results}`,
    ...testArguments,
  ]);
  const text = readFileSync(results, "utf8");
  const counts = text === "" ? { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 } : JSON.parse(text);
  if (counts.numPendingTests > 0)
    process.stdout.write(`${counts.numPendingTests} skipped, each with its reason above\n`);
  process.stdout.write(`${counts.numPassedTests} passed, ${counts.numFailedTests} failed\n`);
  return code === 0 && counts.numPassedTests === 0 ? 1 : code;
}

/** As CI: generated code is fresh, format, lint, contract, types, tests, and no changed file. */
async function check(testArguments) {
  const before = await treeState();
  const steps = [
    ["generate", "pnpm", ["--silent", "run", "generate"]],
    ["format and lint", "pnpm", ["--silent", "run", "lint"]],
    ["contract (buf breaking)", "pnpm", ["--silent", "run", "contract"]],
    ["types", "pnpm", ["--silent", "run", "types"]],
  ];
  for (const [name, command, commandArguments] of steps) {
    say(`check: ${name}`);
    const code = await run(command, commandArguments, { outputToStderr: true });
    if (code !== 0) return code;
  }
  const code = await test(testArguments);
  if (code !== 0) return code;
  if ((await treeState()) !== before) {
    say("check: the steps above changed files; commit these:");
    await run("git", ["status", "--short"], { outputToStderr: true });
    return 1;
  }
  return 0;
}

/** A fingerprint of every difference from the last commit, so that work under way may be checked too. */
function treeState() {
  return new Promise((settle) => {
    const hash = createHash("sha256");
    const child = spawn("git", ["status", "--porcelain=v2", "--untracked-files=all"], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    child.stdout.on("data", (chunk) => hash.update(chunk));
    child.on("error", () => settle("no git"));
    child.on("close", () => {
      const diff = spawn("git", ["diff", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
      diff.stdout.on("data", (chunk) => hash.update(chunk));
      diff.on("close", () => settle(hash.digest("hex")));
    });
  });
}

async function enter([name, ...rest]) {
  const known = [...Object.keys(programs), "test", "check"];
  if (!known.includes(name)) {
    say(`enter.mjs: got ${name ?? "no command"}, want one of ${known.join(", ")}`);
    return 2;
  }
  for (const step of [install, build]) {
    const code = await step();
    if (code !== 0) return code;
  }
  if (name === "test") return test(rest);
  if (name === "check") return check(rest);
  const [command, ...commandArguments] = programs[name];
  return run(command, [...commandArguments, ...rest]);
}

process.exitCode = await enter(process.argv.slice(2));
