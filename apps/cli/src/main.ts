#!/usr/bin/env node
/** The process around {@link run}: streams, signals and the exit code. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { guardProcess, systemClock } from "@lifeline/measure";
import { routeFamilies, siderolinkPrefix } from "@lifeline/probe";
import { talosVersionOf } from "@lifeline/prober";
import { run } from "./run.ts";
import { outputOf } from "./stream-output.ts";
import type { Host } from "./world.ts";

/** Largest range of `randomInt` (Node.js crypto documentation): 2^48 − 1. */
const RANDOM_RANGE = 2 ** 48 - 1;

guardProcess();

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());

/** The reader of a pipe may go first (`| head`): nothing is left to say then, and that is no failure of ours. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    interrupt.abort();
  });
}

const host: Host = {
  hostname: hostname(),
  families: routeFamilies,
  siderolinkPrefix: () => siderolinkPrefix(),
  talosVersion: () => talosVersionOf(textOf("/etc/os-release")),
};

process.exitCode = await run(process.argv.slice(2), {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  env: process.env,
  clock: systemClock,
  random: () => randomInt(RANDOM_RANGE) / RANDOM_RANGE,
  host,
  interrupt: interrupt.signal,
  // Loaded when it is asked for: nobody else needs its sockets.
  async reflect(args) {
    const { reflectorProcess } = await import("@lifeline/reflector");
    return reflectorProcess(args);
  },
});

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
