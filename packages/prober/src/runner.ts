/**
 * Runs the schedule: begins an attempt at each tick, with a bound on the attempts in flight.
 *
 * 1. A tick at which no attempt can begin is counted as missed and never made up (M3).
 * 2. Attempts in flight are bounded, for each target and in all (S2).
 * 3. One timer waits for the next tick of all targets.
 */
import { type Clock, NS_PER_MS, type Sample, type Target, type Timer } from "@lifeline/measure";
import {
  type Bursts,
  cadenceAt,
  firstDueNs,
  mayBurst,
  NO_BURSTS,
  nextDueNs,
  phaseNs,
  startBurst,
  ticksDue,
} from "./schedule.ts";

/**
 * Attempts in flight in all: well below the 1,024 descriptors Talos gives an extension (containerd's default NOFILE).
 */
export const IN_FLIGHT_MAX = 128;

/** Attempts in flight at one target: a timeout of 8 cadences overlaps itself this often. */
export const IN_FLIGHT_PER_TARGET_MAX = 8;

/** What a {@link Runner} needs. */
export interface RunnerOptions {
  readonly clock: Clock;
  /** Hashed into every target's phase. */
  readonly nodeId: string;
  /** Makes one attempt (M1). A rejection is a defect and goes to `onDefect`. */
  readonly probe: (target: Target) => Promise<Sample>;
  /** Called when an attempt begins. The function it returns takes the sample, and returns true to start a burst. */
  readonly begun: (targetId: string) => (sample: Sample) => boolean;
  /** Called with the number of ticks that passed without an attempt. */
  readonly missed: (targetId: string, ticks: number) => void;
  /** A probe rejected. The attempt counts as not measured, so one broken target does not silence the others. */
  readonly onDefect: (targetId: string, error: unknown) => void;
  /** Most time until the first tick of a new target, ms; default FIRST_TICK_WITHIN_MS. */
  readonly firstTickWithinMs?: number;
  /** Monotonic time of the last tick, ns; default none. */
  readonly untilNs?: number;
  /** Default {@link IN_FLIGHT_MAX}. */
  readonly inFlightMax?: number;
  /** Default {@link IN_FLIGHT_PER_TARGET_MAX}. */
  readonly inFlightPerTargetMax?: number;
}

interface Entry {
  target: Target;
  phase: number;
  dueNs: number;
  /** The interval `dueNs` was computed with. */
  intervalNs: number;
  inFlight: number;
  bursts: Bursts;
}

/** Probes a set of targets until stopped. Starts without targets. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #clock: Clock;
  #entries = new Map<string, Entry>();
  #inFlight = 0;
  #timer: Timer | undefined;
  #stopped = false;
  #drained: (() => void) | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Replaces the targets. Those that stay keep their place on the grid; attempts in flight run to their end. */
  setTargets(targets: readonly Target[]): void {
    const nowNs = this.#clock.monotonicNs();
    this.#entries = new Map(targets.map((target) => [target.id, this.#entryOf(target, nowNs)]));
    this.#arm();
  }

  /** Attempts in flight. */
  inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Begins the attempts that are due by `untilNs`, or by now without one, and whose timer has not fired yet. To be
   * called at that time.
   */
  beginDue(): void {
    this.#begin(this.#options.untilNs ?? this.#clock.monotonicNs());
  }

  /** Begins no more attempts; those in flight still report. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * Resolves when no attempt is in flight, or when `signal` aborts. To be awaited after {@link stop}. Never rejects.
   */
  async drained(signal: AbortSignal): Promise<void> {
    if (this.#inFlight === 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }

  #entryOf(target: Target, nowNs: number): Entry {
    const { nodeId, firstTickWithinMs } = this.#options;
    const phase = phaseNs(nodeId, target.id, target.cadenceMs);
    const known = this.#entries.get(target.id);
    const entry = known ?? { target, phase, dueNs: 0, intervalNs: 0, inFlight: 0, bursts: NO_BURSTS };
    const sameCadence = known?.target.cadenceMs === target.cadenceMs;
    entry.target = target;
    entry.phase = phase;
    if (!sameCadence) this.#plan(entry, nowNs);
    if (known === undefined) entry.dueNs = firstDueNs(nowNs, entry.intervalNs, phase, firstTickWithinMs);
    return entry;
  }

  #plan(entry: Entry, nowNs: number): void {
    entry.intervalNs = cadenceAt(entry.target, entry.bursts, nowNs) * NS_PER_MS;
    entry.dueNs = nextDueNs(nowNs, entry.intervalNs, entry.phase);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#stopped || this.#entries.size === 0) return;
    const { untilNs = Number.POSITIVE_INFINITY } = this.#options;
    let soonestNs = Number.POSITIVE_INFINITY;
    for (const { dueNs } of this.#entries.values()) soonestNs = Math.min(soonestNs, dueNs);
    if (soonestNs > untilNs) return;
    // Whole milliseconds, rounded up: a timer counts in milliseconds and must not fire before the tick.
    const waitMs = Math.max(0, Math.ceil((soonestNs - this.#clock.monotonicNs()) / NS_PER_MS));
    this.#timer = this.#clock.after(waitMs, () => this.#tick());
  }

  #tick(): void {
    const { untilNs = Number.POSITIVE_INFINITY } = this.#options;
    this.#begin(Math.min(untilNs, this.#clock.monotonicNs()));
    this.#arm();
  }

  #begin(nowNs: number): void {
    for (const entry of this.#entries.values()) {
      const ticks = ticksDue(entry.dueNs, nowNs, entry.intervalNs);
      if (ticks === 0) continue;
      this.#plan(entry, nowNs);
      if (ticks > 1) this.#options.missed(entry.target.id, ticks - 1);
      this.#beginAttempt(entry);
    }
  }

  #beginAttempt(entry: Entry): void {
    const { inFlightMax = IN_FLIGHT_MAX, inFlightPerTargetMax = IN_FLIGHT_PER_TARGET_MAX } = this.#options;
    const { target } = entry;
    if (this.#inFlight >= inFlightMax || entry.inFlight >= inFlightPerTargetMax) {
      this.#options.missed(target.id, 1);
      return;
    }
    this.#inFlight += 1;
    entry.inFlight += 1;
    const ended = this.#options.begun(target.id);
    this.#attempt(target).then((sample) => this.#end(entry, ended(sample)));
  }

  async #attempt(target: Target): Promise<Sample> {
    const startedAtMs = this.#clock.wallMs();
    const startedNs = this.#clock.monotonicNs();
    try {
      return await this.#options.probe(target);
    } catch (error) {
      this.#options.onDefect(target.id, error);
      return unmeasured(target.id, startedAtMs, startedAtMs + (this.#clock.monotonicNs() - startedNs) / NS_PER_MS);
    }
  }

  #end(entry: Entry, wantsBurst: boolean): void {
    this.#inFlight -= 1;
    entry.inFlight -= 1;
    if (this.#inFlight === 0) this.#drained?.();
    const isCurrent = this.#entries.get(entry.target.id) === entry;
    if (!wantsBurst || !mayBurst(entry.target.options) || this.#stopped || !isCurrent) return;
    const nowNs = this.#clock.monotonicNs();
    entry.bursts = startBurst(entry.bursts, nowNs);
    this.#plan(entry, nowNs);
    this.#arm();
  }
}

/** The sample of a probe that rejected: nothing was measured, and the agent is to blame. */
function unmeasured(targetId: string, startedAtMs: number, endedAtMs: number): Sample {
  const outcome = { reason: "agent-resource", phase: "plan" } as const;
  return { targetId, startedAtMs, endedAtMs, outcome, phases: {}, evidence: { code: "PROBE_DEFECT" } };
}
