/** The reflector in a process: gives it the clock, the log, the signals and randomness. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { systemClock } from "@lifeline/measure";
import { createLog } from "@lifeline/settings";
import { runReflector } from "./run.ts";

/** Runs a reflector in this process until SIGTERM or SIGINT; resolves with its exit code (see run). */
export function reflectorProcess(args: readonly string[]): Promise<number> {
  return runReflector(args, {
    clock: systemClock,
    log: createLog(systemClock),
    environment: process.env,
    randomBytes,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    ended: Promise.race(["SIGTERM", "SIGINT"].map((signal) => once(process, signal))),
  });
}
