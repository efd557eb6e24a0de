/** The lines a process of the bench prints, one at a time. */
import { createInterface } from "node:readline";
import { type Clock, pause } from "@lifeline/measure";
import { BenchError } from "./bench-error.ts";
import type { BenchProcess } from "./workshop.ts";

/** Reads lines in order. */
export interface LineReader {
  /** The next line; rejects with `child-failed` when the process ends, or `maxMs` pass, before there is one. */
  next(maxMs: number): Promise<string>;
}

/** Starts reading the lines of a process; one reader for each. */
export function readLines(clock: Clock, process: BenchProcess): LineReader {
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  return {
    async next(maxMs) {
      const late = new AbortController();
      const timeout = pause(clock, maxMs, late.signal).then(() => undefined);
      const line = await Promise.race([lines.next(), process.failure, timeout]);
      late.abort();
      if (line === undefined) throw new BenchError("child-failed", `${process.name}: no answer in ${maxMs} ms`);
      if (line.done !== true) return line.value;
      await Promise.race([process.failure, process.ended]);
      throw new BenchError("child-failed", `${process.name} ended before it answered: ${process.complaint().trim()}`);
    },
  };
}
