/** Waits for an event. No limit here says how fast something must be: it only ends a wait whose event never comes. */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";

/** How long an event is waited for, ms: far beyond what it takes on a machine that is busy with other work. */
export const EVENT_WITHIN_MS = 60_000;

/** Time between two looks, ms. */
const LOOK_EVERY_MS = 50;

/** Waits until something holds; false: it did not within `timeoutMs`, by default {@link EVENT_WITHIN_MS}. */
export async function within(
  clock: Clock,
  what: () => boolean | Promise<boolean>,
  timeoutMs = EVENT_WITHIN_MS,
): Promise<boolean> {
  const startedNs = clock.monotonicNs();
  for (;;) {
    if (await what()) return true;
    if ((clock.monotonicNs() - startedNs) / NS_PER_MS > timeoutMs) return false;
    await pause(clock, LOOK_EVERY_MS);
  }
}
