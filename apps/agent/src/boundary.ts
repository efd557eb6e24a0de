/**
 * Where windows end: at multiples of ten seconds of wall time, reached by monotonic time.
 *
 * 1. A boundary is found once, from the wall reading when its window opens; the way there is measured monotonically (M2).
 * 2. So between two boundaries pass at least {@link BOUNDARY_SLACK_MS} and at most WINDOW_MS + BOUNDARY_SLACK_MS of real time,
 *    whatever the wall clock does: a step neither seals thousands of windows nor stops sealing, it only relabels the next one.
 */
import { NS_PER_MS } from "@lifeline/measure";
import { WINDOW_MS } from "@lifeline/window";

/** Closest a boundary may follow, and how far off a multiple a label is still rounded to it, ms: a tenth of a window. */
export const BOUNDARY_SLACK_MS = WINDOW_MS / 10;

/** One stretch between boundaries. */
export interface Stretch {
  /** Label of the start, ms since the epoch. */
  readonly startMs: number;
  /** Monotonic time of the start, ns. */
  readonly startNs: number;
  /** Monotonic time at which it ends, ns. */
  readonly boundaryNs: number;
  /** Label of its end when it is reached in time, ms since the epoch: a multiple of WINDOW_MS. */
  readonly boundaryMs: number;
}

/** The stretch that opens now. */
export function openStretch(wallMs: number, nowNs: number): Stretch {
  const untilMultipleMs = WINDOW_MS - (wallMs % WINDOW_MS);
  const remainingMs = untilMultipleMs < BOUNDARY_SLACK_MS ? untilMultipleMs + WINDOW_MS : untilMultipleMs;
  return {
    startMs: wallMs,
    startNs: nowNs,
    boundaryNs: nowNs + remainingMs * NS_PER_MS,
    boundaryMs: wallMs + remainingMs,
  };
}

/** The stretch that follows a boundary: its label is rounded to the multiple it is nearest to, so that windows join up. */
export function nextStretch(wallMs: number, nowNs: number): Stretch {
  const multipleMs = Math.round(wallMs / WINDOW_MS) * WINDOW_MS;
  const startMs = Math.abs(wallMs - multipleMs) < BOUNDARY_SLACK_MS ? multipleMs : wallMs;
  return { ...openStretch(wallMs, nowNs), startMs };
}

/** The label of a moment within a stretch: its start plus monotonic time. */
export function labelMs(stretch: Stretch, nowNs: number): number {
  return stretch.startMs + (nowNs - stretch.startNs) / NS_PER_MS;
}

/** The label of a stretch's end: the boundary's, unless this process came so late that it would be untrue. */
export function endLabelMs(stretch: Stretch, nowNs: number): number {
  const lateMs = (nowNs - stretch.boundaryNs) / NS_PER_MS;
  return Math.abs(lateMs) < BOUNDARY_SLACK_MS ? stretch.boundaryMs : labelMs(stretch, nowNs);
}
