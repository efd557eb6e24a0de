/**
 * Where windows end: at multiples of WINDOW_MS of wall time, reached by monotonic time.
 *
 * 1. A boundary is computed once, from the wall clock when the span opens. The way there is measured monotonically
 *    (M2).
 * 2. Between two boundaries pass at least {@link BOUNDARY_SLACK_MS} and at most WINDOW_MS + BOUNDARY_SLACK_MS of real
 *    time, whatever the wall clock does. A step of the wall clock only changes the label of the next span: it neither
 *    seals thousands of windows nor stops sealing.
 */
import { NS_PER_MS } from "@lifeline/measure";
import { WINDOW_MS } from "@lifeline/window";

/**
 * Closest a boundary may follow, and how far off a multiple a label is still rounded to it, ms: a tenth of a window.
 */
export const BOUNDARY_SLACK_MS = WINDOW_MS / 10;

/** The time between two boundaries. */
export interface WindowSpan {
  /** Label of the start, ms since the epoch. */
  readonly startMs: number;
  /** Monotonic time of the start, ns. */
  readonly startNs: number;
  /** Monotonic time at which it ends, ns. */
  readonly boundaryNs: number;
  /** Label of its end when it is reached in time, ms since the epoch: a multiple of WINDOW_MS. */
  readonly boundaryMs: number;
}

/** The first span, which opens now. */
export function firstSpan(wallMs: number, nowNs: number): WindowSpan {
  const untilMultipleMs = WINDOW_MS - (wallMs % WINDOW_MS);
  const remainingMs = untilMultipleMs < BOUNDARY_SLACK_MS ? untilMultipleMs + WINDOW_MS : untilMultipleMs;
  return {
    startMs: wallMs,
    startNs: nowNs,
    boundaryNs: nowNs + remainingMs * NS_PER_MS,
    boundaryMs: wallMs + remainingMs,
  };
}

/** The span that follows a boundary. Its label is rounded to the nearest multiple, so that windows join up. */
export function nextSpan(wallMs: number, nowNs: number): WindowSpan {
  const multipleMs = Math.round(wallMs / WINDOW_MS) * WINDOW_MS;
  const startMs = Math.abs(wallMs - multipleMs) < BOUNDARY_SLACK_MS ? multipleMs : wallMs;
  return { ...firstSpan(wallMs, nowNs), startMs };
}

/** The label of a moment within a span: its start plus monotonic time. */
export function labelMs(span: WindowSpan, nowNs: number): number {
  return span.startMs + (nowNs - span.startNs) / NS_PER_MS;
}

/** The label of a span's end: the boundary's, unless this process came so late that it would be untrue. */
export function endLabelMs(span: WindowSpan, nowNs: number): number {
  const lateMs = (nowNs - span.boundaryNs) / NS_PER_MS;
  return Math.abs(lateMs) < BOUNDARY_SLACK_MS ? span.boundaryMs : labelMs(span, nowNs);
}
