#!/usr/bin/env node
/** The process around {@link run}: streams, signals and the exit code. */
import { randomInt } from "node:crypto";
import { hostname } from "node:os";
import { guardProcess, systemClock } from "@lifeline/measure";
import { openLocalNode } from "@lifeline/prober";
import { run } from "./run.ts";
import { outputOf } from "./stream-output.ts";

/** Largest range of `randomInt` (Node.js crypto documentation): 2^48 − 1. */
const RANDOM_RANGE = 2 ** 48 - 1;

guardProcess();

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());

/** The reader of a pipe may close it first (`| head`). That is no failure. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    interrupt.abort();
  });
}

const exitCode = await run(process.argv.slice(2), {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  env: process.env,
  clock: systemClock,
  random: () => randomInt(RANDOM_RANGE) / RANDOM_RANGE,
  host: { hostname: hostname(), openNode: openLocalNode },
  interrupt: interrupt.signal,
  // Loaded only for this command: no other needs its sockets.
  async reflect(args) {
    const { reflectorProcess } = await import("@lifeline/reflector");
    return reflectorProcess(args);
  },
});

// All text is written by now. Attempts that an interrupt left in flight would hold the process for seconds.
process.exit(exitCode);
