/** What must come about soon. */
import { type Clock, pause } from "@lifeline/measure";

/** Tries of what must come about soon, and the time between two, ms: ten seconds. */
const TRIES = 200;
const TRY_EVERY_MS = 50;

/** Waits until something holds; false: it did not within ten seconds. */
export async function comesAbout(clock: Clock, what: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await what()) return true;
    await pause(clock, TRY_EVERY_MS);
  }
  return false;
}
