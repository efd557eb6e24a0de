/** `npm run fuzz`. Exit codes: 0 nothing found, 1 a failure, 2 wrong arguments. */
import { randomInt } from "node:crypto";
import { systemClock } from "@lifeline/measure";
import { readArguments, usage } from "./arguments.ts";
import { runCampaign } from "./campaign.ts";
import { DECODERS } from "./decoders.ts";
import { FuzzError } from "./fuzz-error.ts";
import { renderResults } from "./render.ts";

async function main(args: readonly string[]): Promise<number> {
  const names = DECODERS.map(({ name }) => name);
  const { help, inputs, seed = randomInt(2 ** 32), only, json } = readArguments(args, names);
  if (help) {
    process.stdout.write(usage(names));
    return 0;
  }
  const decoders = DECODERS.filter(({ name }) => only.includes(name));
  const module = import.meta.resolve(import.meta.filename.endsWith(".ts") ? "./decoders.ts" : "./decoders.js");
  const say = (line: string) => process.stderr.write(`fuzz: ${line}\n`);
  const results = await runCampaign({ module, decoders, inputs, seed, clock: systemClock, say });
  const failures = results.flatMap(({ failure }) => failure ?? []);
  process.stdout.write(json ? `${JSON.stringify({ seed, results, failures })}\n` : renderResults(seed, results));
  return failures.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof FuzzError)) throw error;
  process.stderr.write(`npm run fuzz: ${error.message}\n`);
  process.exitCode = error.code === "usage" ? 2 : 1;
}
