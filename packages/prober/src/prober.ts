/**
 * The one measuring loop: schedule → probe → sample → window. The agent and `lifeline check` both run it.
 *
 * 1. Targets may be replaced while it runs. A target that stays keeps its place on the grid and its open window.
 * 2. An endpoint that asks to be left alone is not asked before its pause is over.
 * 3. Every attempt that begins is counted in a window, whether or not it ends before the prober stops (M3).
 */
import type { Clock, Sample, Target } from "@lifeline/measure";
import type { SilenceWatch } from "@lifeline/probe";
import type { Window } from "@lifeline/window";
import { EndpointPauses } from "./endpoint-pauses.ts";
import { Runner } from "./runner.ts";
import { type AccumulatorStats, WindowAccumulator } from "./window-accumulator.ts";

/** Most further attempts at a target that a finished run leaves undecided: one, and two more if it is not measured. */
export const CONFIRMATIONS_MAX = 3;

/** What a {@link Prober} needs. */
export interface ProberOptions {
  readonly clock: Clock;
  /** Places each target's ticks within its cadence (schedule.ts). */
  readonly nodeId: string;
  /** Makes one attempt (M1). A rejection is a defect: the attempt counts as not measured. */
  readonly probe: (target: Target, watch: SilenceWatch) => Promise<Sample>;
  /** Takes windows that were sealed together, never none, and the counts at that moment. */
  readonly sealed: (windows: readonly Window[], sealedAtMs: number, stats: AccumulatorStats) => void;
  /** A probe rejected. Called at every attempt that does. */
  readonly onDefect: (targetId: string, error: unknown) => void;
  /** Whether a target that needs confirmation is probed in bursts; default true. */
  readonly bursts?: boolean;
  /** Most time until the first tick of a new target, ms; default FIRST_TICK_WITHIN_MS. */
  readonly firstTickWithinMs?: number;
  /** Monotonic time of the last tick, ns: a run of a fixed length; default none. */
  readonly untilNs?: number;
  /** Most attempts in flight; default IN_FLIGHT_MAX. */
  readonly inFlightMax?: number;
  /** Most attempts in flight at one target; default IN_FLIGHT_PER_TARGET_MAX. */
  readonly inFlightPerTargetMax?: number;
}

/** Counts since the start, and attempts in flight now. */
export interface ProberStats extends AccumulatorStats {
  readonly inFlight: number;
}

/** Measures a set of targets until stopped. Starts without targets. */
export class Prober {
  readonly #runner: Runner;
  readonly #accumulator: WindowAccumulator;

  constructor({ sealed, bursts = true, ...options }: ProberOptions) {
    const accumulator = new WindowAccumulator({ clock: options.clock, sealed });
    const pauses = new EndpointPauses(options.clock);
    this.#accumulator = accumulator;
    this.#runner = new Runner({
      ...options,
      async probe(target, watch) {
        const held = pauses.heldSample(target);
        if (held !== undefined) return held;
        const sample = await options.probe(target, watch);
        pauses.observe(target, sample);
        return sample;
      },
      begun(targetId) {
        const attempt = accumulator.begun(targetId);
        return {
          silent: (address) => accumulator.silent(targetId, attempt, address) && bursts,
          heard: () => accumulator.heard(attempt),
          ended: (sample) => accumulator.ended(attempt, sample).needsConfirmation && bursts,
        };
      },
      missed: (targetId, ticks) => accumulator.missed(targetId, ticks),
    });
  }

  /** Replaces the targets. Windows of a target that is gone still seal at the next boundary. */
  setTargets(targets: readonly Target[]): void {
    this.#accumulator.retain(new Set(targets.map(({ id }) => id)));
    this.#runner.setTargets(targets);
  }

  /** Counts since the start. */
  stats(): ProberStats {
    return { ...this.#accumulator.stats(), inFlight: this.#runner.inFlight() };
  }

  /**
   * Ends a run at its `untilNs`: begins the attempts due by then; waits for those in flight and for those that are
   * watched for a late answer, or until `signal` aborts; then stops. A signal that has aborted begins no attempt.
   * `unconfirmed` names targets that need one attempt more to be decided, by default none. It is asked again after
   * those, {@link CONFIRMATIONS_MAX} times at most, because an attempt may not be measured (M3).
   */
  async finish(signal: AbortSignal, unconfirmed: () => readonly string[] = () => []): Promise<void> {
    if (!signal.aborted) this.#runner.beginDue();
    this.#runner.stop();
    await this.#runner.drained(signal);
    for (let asked = 0; asked < CONFIRMATIONS_MAX && !signal.aborted; asked += 1) {
      await this.#runner.attemptOnce(unconfirmed(), signal);
    }
    this.stop();
  }

  /** Begins no more attempts, seals every window now and ends every watch: a watched attempt counts as begun only. */
  stop(): void {
    this.#runner.stop();
    this.#accumulator.stop();
    this.#runner.abandonWatched();
  }
}
