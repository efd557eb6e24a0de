/** `npm run crash`. Exit codes: 0 nothing lost, nothing double and every node in, 1 otherwise, 2 wrong arguments. */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { systemClock } from "@lifeline/measure";
import { readArguments, USAGE } from "./arguments.ts";
import { CrashError } from "./crash-error.ts";
import { ISOLATED } from "./disk.ts";
import { type CrashResult, playRounds } from "./rounds.ts";

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

function text(result: CrashResult): string {
  const { rounds, seconds, seed, sealed, stored, lost, duplicated, undurable, undurableStored, leftOut, examples } =
    result;
  return [
    `${rounds} rounds in ${seconds} s, seed ${seed}: ${sealed} reports sealed, ${stored} stored, ${lost} lost, ${duplicated} double`,
    `in memory alone while a disk refused: ${undurable}, of which ${undurableStored} arrived`,
    `agent: ${result.agent.lives} lives, ${result.agent.deaths} ended unasked; collector: ${result.collector.lives}, ${result.collector.deaths}`,
    `${result.identity.enrolments} enrolments under ${result.identity.blows} blows: ${result.identity.enrolled} came in, ${result.identity.usesTooMany} uses of tokens too many`,
    ...(leftOut.length === 0 ? [] : [`left out, for this is not root: ${leftOut.join(", ")}`]),
    ...examples,
    "",
  ].join("\n");
}

async function main(args: readonly string[]): Promise<number> {
  const { help, rounds, seed = randomInt(2 ** 32), json } = readArguments(args);
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (process.getuid?.() === 0 && process.env[ISOLATED] === undefined)
    return isolated([...args, ...seedOf(args, seed)]);
  const result = await playRounds(rounds, seed, systemClock, (round, fault) => {
    process.stderr.write(
      fault === "enrolment" ? `crash: enrolment ${round}\n` : `crash: round ${round} of ${rounds}: ${fault}\n`,
    );
  });
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : text(result));
  const { enrolments, enrolled, usesTooMany } = result.identity;
  const isWhole = result.lost === 0 && result.duplicated === 0 && enrolled === enrolments && usesTooMany === 0;
  return isWhole ? 0 : 1;
}

function seedOf(args: readonly string[], seed: number): readonly string[] {
  return args.some((arg) => arg.startsWith("--seed")) ? [] : ["--seed", String(seed)];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CrashError)) throw error;
  process.stderr.write(`npm run crash: ${error.message}\n`);
  process.exitCode = error.code === "usage" ? 2 : 1;
}
