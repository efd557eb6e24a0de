/** One run of the command line against a collector of its own. */
import { run } from "../run.ts";
import { type Queries, startCollector } from "./collector.ts";
import { type TestWorldOptions, testWorld } from "./world.ts";

/** Runs `argv` against a server that answers `queries`; gives what was said and the exit code. */
export async function ask(argv: readonly string[], queries: Partial<Queries>, options: TestWorldOptions = {}) {
  const collector = await startCollector(queries);
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
