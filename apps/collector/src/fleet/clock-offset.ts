/**
 * How far a node's clock is from the collector's, from when its messages were sent and received.
 *
 * Delay only ever adds to the difference, so the least difference is nearest to the truth. A difference that grows by
 * more than a message can be delayed shows a clock that was set back.
 */

/** Longest delay of a message that says nothing about its clock, ms. */
export const MAX_DELAY_MS = 2_000;

/**
 * Share of a growth within {@link MAX_DELAY_MS} that is taken: follows a drifting clock within some tens of messages.
 */
const GROWTH_SHARE = 1 / 16;

/**
 * The offset, ms, positive when the node is behind, after a message that took `receivedMs − sentMs` by the two clocks.
 */
export function nextOffsetMs(keptMs: number | undefined, sentMs: number, receivedMs: number): number {
  const seenMs = receivedMs - sentMs;
  if (keptMs === undefined || seenMs <= keptMs || seenMs > keptMs + MAX_DELAY_MS) return Math.round(seenMs);
  return Math.round(keptMs + (seenMs - keptMs) * GROWTH_SHARE);
}
