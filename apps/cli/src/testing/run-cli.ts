/** One run of the command line against a collector of its own. */
import { run } from "../run.ts";
import { type Answers, startCollector } from "./collector.ts";
import { type TestWorldOptions, testWorld } from "./world.ts";

/** Runs `argv` against a server that gives `answers`; returns the output and the exit code. */
export async function runAgainst(argv: readonly string[], answers: Partial<Answers>, options: TestWorldOptions = {}) {
  const collector = await startCollector(answers);
  try {
    const world = testWorld(options);
    const exitCode = await run([...argv, "--collector", collector.address], world);
    return { exitCode, ...world.said() };
  } finally {
    await collector.stop();
  }
}

/** Runs `argv` as it is. */
export async function runHere(argv: readonly string[], options: TestWorldOptions = {}) {
  const world = testWorld(options);
  const exitCode = await run(argv, world);
  return { exitCode, ...world.said() };
}
