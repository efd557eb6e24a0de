/** The process around `npm run lab`: streams, signals, exit code. */
import { outputOf } from "@lifeline/cli";
import { systemClock } from "@lifeline/measure";
import { runLab } from "./lab-run.ts";

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupt.abort());

// The reader of a pipe may end first (`| head`); the rest of the output is then dropped.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  interrupt.abort();
});

process.exitCode = await runLab(process.argv.slice(2), {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  env: process.env,
  clock: systemClock,
  interrupt: interrupt.signal,
});
