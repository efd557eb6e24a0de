/** How the agent itself fares. What would make its numbers doubtful travels with them. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { AgentSelfMetrics } from "@lifeline/wire";

/**
 * How often the event loop is sampled, ms. A stall is seen whole but for at most this, and ten wake-ups a second cost
 * little.
 */
const LOOP_RESOLUTION_MS = 100;

/** Metrics that are counted elsewhere. */
export type CountedMetrics = Omit<AgentSelfMetrics, "rssBytes" | "cpuUs" | "uptimeMs" | "eventLoopMaxDelayNs">;

/** Reads the process's own metrics. Samples the event loop until stopped. */
export class SelfMetrics {
  readonly #clock: Clock;
  readonly #startedNs: number;
  readonly #delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedNs = clock.monotonicNs();
    this.#delay.enable();
  }

  /** The metrics now. `eventLoopMaxDelayNs` is the longest delay since the last call. */
  read(counted: CountedMetrics): AgentSelfMetrics {
    const { user, system } = process.cpuUsage();
    const metrics = {
      ...counted,
      rssBytes: process.memoryUsage.rss(),
      cpuUs: user + system,
      uptimeMs: (this.#clock.monotonicNs() - this.#startedNs) / NS_PER_MS,
      eventLoopMaxDelayNs: this.#longestDelayNs(),
    };
    this.#delay.reset();
    return metrics;
  }

  /** Stops sampling. */
  stop(): void {
    this.#delay.disable();
  }

  /** Node records the time between two samples, which includes the resolution; 0 without a sample. */
  #longestDelayNs(): number {
    const { count, max } = this.#delay;
    return count === 0 ? 0 : Math.max(0, max - LOOP_RESOLUTION_MS * NS_PER_MS);
  }
}
