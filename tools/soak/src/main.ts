/** `npm run soak`. Exit codes: 0 both programs ran to the end, 1 one ended or did not start, 2 wrong arguments. */
import { HarnessError, runTool } from "@lifeline/harness";
import { systemClock } from "@lifeline/measure";
import { type Arguments, readArguments } from "./arguments.ts";
import { renderSoak } from "./render.ts";
import { soak } from "./soak.ts";

async function run({ minutes, json }: Arguments): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupt.abort());
  const log = (line: string) => process.stderr.write(`soak: ${line}\n`);
  const result = await soak(minutes, systemClock, interrupt.signal, log);
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : renderSoak(result));
  return Object.keys(result.unexpectedExits).length === 0 ? 0 : 1;
}

function isExpected(error: unknown): boolean {
  return error instanceof HarnessError || (error instanceof Error && error.name === "AbortError");
}

process.exitCode = await runTool(
  { name: "npm run soak", read: readArguments, run, exitCodeOf: (error) => (isExpected(error) ? 1 : undefined) },
  process.argv.slice(2),
);
