/** Waiting, within a bound, for a part to be of use. */
import { readFileSync } from "node:fs";
import { type Clock, pause } from "@lifeline/measure";
import type { Part } from "./part.ts";

/** A part did not come up. */
export class StartError extends Error {
  readonly code = "cannot-start";
}

/** Time between two looks, ms. */
const LOOK_MS = 50;

/** How long a part may take to come up, ms: some fifty times what it takes on a slow machine. */
const START_TIMEOUT_MS = 30_000;

/** Lines of its log that are shown when a part does not come up. */
const LOG_LINES = 12;

/**
 * Looks until `look` gives something; its failures are "not yet".
 *
 * @throws StartError with the end of the part's log when it dies or takes longer than 30 s; AbortError when `signal` aborts.
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
    // What is found may be an earlier run's: a part that has ended is not ready, whatever lies there.
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
    await pause(clock, LOOK_MS, signal);
  }
}

/** The JSON in a file that a part writes in one piece once it is ready; undefined while there is none. */
export function jsonFile<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
