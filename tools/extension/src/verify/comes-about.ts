/** Waiting for what must come about, within a bound. */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";

/** How it is waited. */
export interface Waiting {
  readonly clock: Clock;
  readonly withinMs: number;
  readonly everyMs: number;
  /** Ends the wait: it then rejects. */
  readonly signal?: AbortSignal;
}

/** Asks until the answer is right, or time is up; resolves with the last answer. */
export async function comesAbout<T>(
  ask: () => T | Promise<T>,
  isRight: (answer: T) => boolean,
  { clock, withinMs, everyMs, signal }: Waiting,
): Promise<T> {
  const lastNs = clock.monotonicNs() + withinMs * NS_PER_MS;
  for (;;) {
    const answer = await ask();
    if (isRight(answer) || clock.monotonicNs() > lastNs) return answer;
    await pause(clock, everyMs, signal);
    signal?.throwIfAborted();
  }
}
