/** Waits for events, for tests. */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { ManualClock } from "@lifeline/measure";

/** Lets the judge's time come, and its turn (turns.ts). */
export async function judged(clock: ManualClock): Promise<void> {
  clock.advance(30);
  await nextTurn();
}

/** Waits for what must come about, by default within 10 s. */
export async function until(what: () => boolean, withinMs = 10_000): Promise<void> {
  for (let tries = 0; tries < withinMs / 5; tries++) {
    if (what()) return;
    await sleep(5);
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}
