/** Direction counts of a lookback. */
import type { DirectionCounts } from "@lifeline/measure";
import { addDirections, lossOf, NO_DIRECTIONS, type Window } from "@lifeline/window";

/**
 * The direction counts of those windows, without packets that were sent before them. The packets of an outage are
 * compared only when a later one is answered, which may be minutes after they were sent. So a window's counts are left
 * out where they hold more packets than the windows up to it have sent and not counted yet.
 */
export function directionsOf(windows: readonly Window[]): DirectionCounts {
  let uncounted = 0;
  let counts = NO_DIRECTIONS;
  for (const window of [...windows].sort((a, b) => a.endMs - b.endMs || a.startMs - b.startMs)) {
    uncounted += lossOf(window).sent;
    if (window.directions.forwardSent > uncounted) continue;
    uncounted -= window.directions.forwardSent;
    counts = addDirections(counts, window.directions);
  }
  return counts;
}
