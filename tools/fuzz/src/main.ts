/** `npm run fuzz`. Exit codes: 0 nothing found, 1 a failure, 2 wrong arguments. */
import { randomInt } from "node:crypto";
import { runTool } from "@lifeline/harness";
import { systemClock } from "@lifeline/measure";
import { type Arguments, readArguments } from "./arguments.ts";
import { runCampaign } from "./campaign.ts";
import { DECODERS } from "./decoders.ts";
import { FuzzError } from "./fuzz-error.ts";
import { renderResults } from "./render.ts";

async function run({ inputs, seed = randomInt(2 ** 32), only, json }: Arguments): Promise<number> {
  const decoders = DECODERS.filter(({ name }) => only.includes(name));
  const module = import.meta.resolve(import.meta.filename.endsWith(".ts") ? "./decoders.ts" : "./decoders.js");
  const say = (line: string) => process.stderr.write(`fuzz: ${line}\n`);
  const results = await runCampaign({ module, decoders, inputs, seed, clock: systemClock, say });
  const failures = results.flatMap(({ failure }) => failure ?? []);
  process.stdout.write(json ? `${JSON.stringify({ seed, results, failures })}\n` : renderResults(seed, results));
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await runTool(
  {
    name: "npm run fuzz",
    read: (args) =>
      readArguments(
        args,
        DECODERS.map(({ name }) => name),
      ),
    run,
    exitCodeOf: (error) => (error instanceof FuzzError ? 1 : undefined),
  },
  process.argv.slice(2),
);
