/**
 * Tells an agent that the collector has its reports and holds them back, by acknowledgements of none: an agent cuts a stream on which
 * nothing is acknowledged for 20 s (its NO_PROGRESS_MS), and would come again, and send again, for as long as it is over its quota.
 */
import type { Clock, Timer } from "@lifeline/measure";

/** How often it is told, ms: four times within an agent's patience. */
export const NOTICE_EVERY_MS = 5_000;

export interface HeldNotice {
  /** One more report is held back. */
  hold(): void;
  /** One less is. */
  release(): void;
  stop(): void;
}

/** `tell` sends one notice; none follows before it has resolved, so that they do not pile up for who does not read (S2). */
export function createHeldNotice(clock: Clock, tell: () => Promise<void>): HeldNotice {
  let held = 0;
  let timer: Timer | undefined;
  let isTelling = false;
  const tick = () => {
    timer = clock.after(NOTICE_EVERY_MS, tick);
    if (isTelling) return;
    isTelling = true;
    tell().then(
      () => {
        isTelling = false;
      },
      // The call has ended: nobody is left to be told.
      () => stop(),
    );
  };
  const stop = () => {
    timer?.cancel();
    timer = undefined;
  };
  return {
    hold() {
      held += 1;
      timer ??= clock.after(NOTICE_EVERY_MS, tick);
    },
    release() {
      held -= 1;
      if (held === 0) stop();
    },
    stop,
  };
}
