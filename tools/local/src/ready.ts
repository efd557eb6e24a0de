/** Waiting for a program to be ready, with a limit. */
import { readFileSync } from "node:fs";
import { type Clock, pause } from "@lifeline/measure";
import type { Part } from "./part.ts";

/** A program did not start. */
export class StartError extends Error {
  readonly code = "cannot-start";
}

const POLL_MS = 50;

/** How long a program may take to start, ms: a hundred times what it takes on a slow machine. */
const START_TIMEOUT_MS = 60_000;

/** Lines of its log that are shown when a program does not start. */
const LOG_LINES = 12;

/**
 * Polls until `look` returns something. Throws StartError, with the end of the program's log, when it ends or takes
 * longer than 60 s; the signal's reason when `signal` aborts.
 */
export async function untilReady<T>(
  part: Part,
  clock: Clock,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const startedNs = clock.monotonicNs();
  const deadlineNs = startedNs + START_TIMEOUT_MS * 1e6;
  for (;;) {
    signal.throwIfAborted();
    // A program that has ended is not ready, even if an earlier run has left a ready file.
    const end = part.lastEnd();
    if (end !== undefined)
      throw new StartError(`the ${part.name} ended with ${end} before it was ready:\n${part.logTail(LOG_LINES)}`);
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonicNs() > deadlineNs) {
      throw new StartError(
        `the ${part.name} was not ready within ${START_TIMEOUT_MS / 1_000} s:\n${part.logTail(LOG_LINES)}`,
      );
    }
    await pause(clock, POLL_MS, signal);
  }
}

/** The JSON in a file that a program writes at once when it is ready; undefined while there is no file. */
export function jsonFile<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
