/**
 * Waits for events, for tests. No limit here says how fast something must be: it only ends a test whose event never
 * comes.
 */
import { vi } from "vitest";

/** How long an event is waited for, ms: far beyond what it takes on a machine that is busy with other work. */
export const EVENT_WITHIN_MS = 60_000;

/** Time between looks, ms. */
const LOOK_EVERY_MS = 5;

/** Waits until something holds; fails after {@link EVENT_WITHIN_MS}. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(what, { timeout: EVENT_WITHIN_MS, interval: LOOK_EVERY_MS }).catch((error: Error) => {
    throw new Error(`not within ${EVENT_WITHIN_MS} ms: ${what}`, { cause: error });
  });
}
