/** Windows as an agent would seal them. */
import { type Evidence, type Reason, type Target, targetId } from "@lifeline/measure";
import { followRun, mergeWindows, type Run, type Window, windowOf } from "@lifeline/window";

/** What a target's attempts saw. */
export interface Seen {
  readonly reason: Reason;
  readonly evidence?: Evidence;
  /** Attempts, one a second; default 1. */
  readonly attempts?: number;
}

const EVERY_MS = 1_000;

/** The window of a target's last attempts, the latest of which ended at `endMs`. */
export function windowFor(target: Target, endMs: number, { reason, evidence = {}, attempts = 1 }: Seen): Window {
  let run: Run | undefined;
  const windows = Array.from({ length: attempts }, (_, at) => {
    const endedAtMs = endMs - (attempts - 1 - at) * EVERY_MS;
    const outcome = { reason, phase: "connect" } as const;
    const times = { startedAtMs: endedAtMs - 1, endedAtMs };
    const followed = followRun(run, { targetId: targetId(target), ...times, outcome, phases: {}, evidence });
    run = followed.run;
    return windowOf(followed, endedAtMs - 1, endedAtMs);
  });
  return windows.reduce(mergeWindows);
}
