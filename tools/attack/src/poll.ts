/** Waits for a condition. */
import { type Clock, pause } from "@lifeline/measure";

/** How often the condition is tried, and the time between two tries, ms: ten seconds. */
const TRIES = 200;
const TRY_EVERY_MS = 50;

/** Waits until a condition holds; false: it did not within ten seconds. */
export async function within(clock: Clock, what: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await what()) return true;
    await pause(clock, TRY_EVERY_MS);
  }
  return false;
}
