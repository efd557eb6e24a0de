/**
 * `npm run crash`. Exit codes: 0 nothing lost, nothing counted twice and every node enrolled, 1 otherwise, 2 wrong
 * arguments.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { HarnessError, runTool } from "@lifeline/harness";
import { systemClock } from "@lifeline/measure";
import { type Arguments, readArguments } from "./arguments.ts";
import { CrashError } from "./crash-error.ts";
import { ISOLATED } from "./disk.ts";
import { Progress } from "./progress.ts";
import { type CrashResult, playRun } from "./rounds.ts";
import { runSizeOf } from "./run-estimate.ts";

/** The same program in a mount namespace of its own, so that nothing mounted outlives it. */
async function isolated(args: readonly string[]): Promise<number> {
  const program = [process.execPath, ...process.execArgv, import.meta.filename, ...args];
  const child = spawn("unshare", ["--mount", "--propagation", "private", ...program], {
    stdio: "inherit",
    env: { ...process.env, [ISOLATED]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, "close")) as [number | null];
  return code ?? 1;
}

function resultText(result: CrashResult): string {
  const { rounds, seconds, seed, sealed, stored, lost, duplicated, agent, collector, identity } = result;
  return [
    `${rounds} rounds in ${seconds} s, seed ${seed}: ${sealed} reports sealed, ${stored} stored, ${lost} lost, ${duplicated} stored twice`,
    `kept only in memory because a disk refused them: ${result.undurable}, of which ${result.undurableStored} arrived`,
    `starts: agent ${agent.starts}, collector ${collector.starts}; unexpected exits: agent ${agent.crashes}, collector ${collector.crashes}`,
    `${identity.enrolments} enrolments with ${identity.interruptions} kills and cuts: ${identity.enrolled} succeeded, ${identity.extraUses} extra uses of tokens`,
    ...(result.leftOut.length === 0 ? [] : [`left out, because this is not root: ${result.leftOut.join(", ")}`]),
    ...result.examples,
    "",
  ].join("\n");
}

async function run({ rounds, seed, json }: Arguments, args: readonly string[]): Promise<number> {
  if (process.getuid?.() === 0 && process.env[ISOLATED] === undefined) return isolated(args);
  const chosenSeed = seed ?? randomInt(2 ** 32);
  const progress = new Progress(runSizeOf(rounds), process.stderr, systemClock);
  progress.announce(chosenSeed);
  const result = await playRun(rounds, chosenSeed, systemClock, (step) => progress.step(step)).finally(() =>
    progress.end(),
  );
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : resultText(result));
  const { enrolments, enrolled, extraUses } = result.identity;
  const isWhole = result.lost === 0 && result.duplicated === 0 && enrolled === enrolments && extraUses === 0;
  return isWhole ? 0 : 1;
}

const args = process.argv.slice(2);
process.exitCode = await runTool(
  {
    name: "npm run crash",
    read: readArguments,
    run: (wanted) => run(wanted, args),
    exitCodeOf: (error) => (error instanceof CrashError || error instanceof HarnessError ? 1 : undefined),
  },
  args,
);
