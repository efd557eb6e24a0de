/** Waiting for something that must happen, with a limit that only a failure reaches. */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { ExtensionError } from "../extension-error.ts";

/** Default limit, ms. Most waits end within a second; the longest takes 45 s (see `ReportingChecks`). */
export const WAIT_MAX_MS = 120_000;

/** How to poll. */
export interface Polling {
  readonly clock: Clock;
  readonly withinMs: number;
  readonly everyMs: number;
  /** Ends the wait: it then rejects. */
  readonly signal?: AbortSignal;
}

/** Polls until the answer is right or the time is up. Resolves with the last answer, right or not. */
export async function pollUntil<T>(
  ask: () => T | Promise<T>,
  isRight: (answer: T) => boolean,
  { clock, withinMs, everyMs, signal }: Polling,
): Promise<T> {
  const lastNs = clock.monotonicNs() + withinMs * NS_PER_MS;
  for (;;) {
    const answer = await ask();
    if (isRight(answer) || clock.monotonicNs() > lastNs) return answer;
    await pause(clock, everyMs, signal);
    signal?.throwIfAborted();
  }
}

/**
 * Resolves as `event` does. Rejects with ExtensionError `late` after `withinMs`; `describe` says what did not happen.
 */
export async function within<T>(
  event: Promise<T>,
  withinMs: number,
  clock: Clock,
  describe: () => string,
  signal?: AbortSignal,
): Promise<T> {
  const over = new AbortController();
  const abort = () => over.abort();
  signal?.addEventListener("abort", abort, { once: true });
  const limit = pause(clock, withinMs, over.signal).then((): never => {
    signal?.throwIfAborted();
    throw new ExtensionError("late", `${describe()} (waited ${withinMs} ms)`);
  });
  try {
    return await Promise.race([event, limit]);
  } finally {
    signal?.removeEventListener("abort", abort);
    over.abort();
  }
}
