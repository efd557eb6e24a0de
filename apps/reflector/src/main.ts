/** The process of the reflector: its arguments, streams and signals. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { runReflector } from "./run.ts";

process.exitCode = await runReflector(process.argv.slice(2), {
  clock: systemClock,
  log: pino({ name: "lifeline-reflector" }),
  randomBytes,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  ended: Promise.race(["SIGTERM", "SIGINT"].map((signal) => once(process, signal))),
});
