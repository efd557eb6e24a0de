/** `npm run soak`. Exit codes: 0 both programs lived to the end, 1 one died or did not start, 2 wrong arguments. */
import { systemClock } from "@lifeline/measure";
import { readArguments, USAGE } from "./arguments.ts";
import { renderSoak } from "./render.ts";
import { soak } from "./soak.ts";
import { SoakError } from "./soak-error.ts";

async function main(args: readonly string[]): Promise<number> {
  const { help, minutes, json } = readArguments(args);
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const asked = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => asked.abort());
  const say = (line: string) => process.stderr.write(`soak: ${line}\n`);
  const result = await soak(minutes, systemClock, asked.signal, say);
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : renderSoak(result));
  return Object.keys(result.deaths).length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isAsked = error instanceof Error && error.name === "AbortError";
  if (!(error instanceof SoakError) && !isAsked) throw error;
  process.stderr.write(`npm run soak: ${error.message}\n`);
  process.exitCode = error instanceof SoakError && error.code === "usage" ? 2 : 1;
}
