/** How the agent itself fares: what would make its numbers doubtful travels with them. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Vitals } from "@lifeline/wire";

/** How often the event loop is looked at, ms: a stall is seen whole but for at most this; ten wake-ups a second cost little. */
const LOOP_RESOLUTION_MS = 100;

/** What others count. */
export type CountedVitals = Omit<Vitals, "rssBytes" | "cpuUs" | "uptimeMs" | "eventLoopMaxDelayNs">;

/** Reads the process's vitals. */
export interface VitalsReader {
  /** Vitals now; the longest delay is the longest since the last call. */
  read(counted: CountedVitals): Vitals;
  stop(): void;
}

/** Starts watching the event loop. */
export function startVitals(clock: Clock): VitalsReader {
  const startedNs = clock.monotonicNs();
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  return {
    read(counted) {
      const { user, system } = process.cpuUsage();
      const vitals = {
        ...counted,
        rssBytes: process.memoryUsage.rss(),
        cpuUs: user + system,
        uptimeMs: (clock.monotonicNs() - startedNs) / NS_PER_MS,
        eventLoopMaxDelayNs: longestDelayNs(delay),
      };
      delay.reset();
      return vitals;
    },
    stop: () => delay.disable(),
  };
}

/** Node records the time between two looks, which holds the resolution itself; 0 without a look. */
function longestDelayNs(delay: ReturnType<typeof monitorEventLoopDelay>): number {
  return delay.count === 0 ? 0 : Math.max(0, delay.max - LOOP_RESOLUTION_MS * NS_PER_MS);
}
