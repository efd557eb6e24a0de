/**
 * Runs the schedule: begins an attempt at each tick, with a bound on the attempts in flight.
 *
 * 1. A tick at which no attempt can begin is counted as missed and never made up (M3).
 * 2. One timer waits for the next tick of all targets.
 */
import { type Clock, NS_PER_MS, type Sample, type Target, type Timer } from "@lifeline/measure";
import type { SilenceWatch } from "@lifeline/probe";
import { type AttemptCounts, AttemptsInFlight, IN_FLIGHT_MAX, type InFlightLimits } from "./attempts-in-flight.ts";
import {
  type Bursts,
  cadenceAt,
  firstDueNs,
  isComparedWith,
  mayBurst,
  NO_BURSTS,
  nextDueNs,
  phaseNs,
  startBurst,
  ticksDue,
} from "./schedule.ts";
import { isWatched } from "./watched-attempts.ts";

/** Takes what becomes of an attempt. */
export interface AttemptSink {
  /** The threshold is over without an answer from `address`. True: start a burst. */
  silent(address: string): boolean;
  /** Something answered after all, and the exchange goes on. */
  heard(): void;
  /** The attempt has ended. True: start a burst. */
  ended(sample: Sample): boolean;
}

/** What a {@link Runner} needs. */
export interface RunnerOptions extends InFlightLimits {
  readonly clock: Clock;
  /** Hashed into every target's phase. */
  readonly nodeId: string;
  /** Makes one attempt (M1). A rejection is a defect and goes to `onDefect`. */
  readonly probe: (target: Target, watch: SilenceWatch) => Promise<Sample>;
  /** Called when an attempt begins. */
  readonly begun: (targetId: string) => AttemptSink;
  /** Called with the number of ticks that passed without an attempt. */
  readonly missed: (targetId: string, ticks: number) => void;
  /** A probe rejected. The attempt counts as not measured, so one broken target does not silence the others. */
  readonly onDefect: (targetId: string, error: unknown) => void;
  /** Most time until the first tick of a new target, ms; default FIRST_TICK_WITHIN_MS. */
  readonly firstTickWithinMs?: number;
  /** Monotonic time of the last tick, ns; default none. */
  readonly untilNs?: number;
}

interface Entry {
  target: Target;
  phase: number;
  dueNs: number;
  /** The interval `dueNs` was computed with. */
  intervalNs: number;
  readonly attempts: AttemptCounts;
  bursts: Bursts;
}

/** Probes a set of targets until stopped. Starts without targets. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #clock: Clock;
  readonly #attempts: AttemptsInFlight;
  #entries = new Map<string, Entry>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#attempts = new AttemptsInFlight(options);
  }

  /** Replaces the targets. Those that stay keep their place on the grid; attempts in flight run to their end. */
  setTargets(targets: readonly Target[]): void {
    const nowNs = this.#clock.monotonicNs();
    this.#entries = new Map(targets.map((target) => [target.id, this.#entryOf(target, nowNs)]));
    this.#arm();
  }

  /** Attempts that have begun and not ended, watched ones included. */
  inFlight(): number {
    return this.#attempts.count();
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

  /** Ends every watch now, and lets none begin: no socket stays open for a late answer. Idempotent. */
  abandonWatched(): void {
    this.#attempts.abandonWatched();
  }

  /**
   * Resolves when no attempt is in flight or watched, or when `signal` aborts. To be awaited after {@link stop}. Never
   * rejects.
   */
  drained(signal: AbortSignal): Promise<void> {
    return this.#attempts.drained(signal);
  }

  /**
   * Makes one attempt at each of these targets, beside the schedule and also after {@link stop}. As many at once as may
   * be in flight. Resolves when they have ended, or when `signal` aborts. To be awaited before the next.
   */
  async attemptOnce(targetIds: readonly string[], signal: AbortSignal): Promise<void> {
    const { inFlightMax = IN_FLIGHT_MAX } = this.#options;
    for (let from = 0; from < targetIds.length && !signal.aborted; from += inFlightMax) {
      for (const targetId of targetIds.slice(from, from + inFlightMax)) {
        const entry = this.#entries.get(targetId);
        if (entry !== undefined) this.#beginAttempt(entry);
      }
      await this.drained(signal);
    }
  }

  #entryOf(target: Target, nowNs: number): Entry {
    const { nodeId, firstTickWithinMs } = this.#options;
    const phase = phaseNs(nodeId, target.id, target.cadenceMs);
    const known = this.#entries.get(target.id);
    const attempts = { inFlight: 0, watched: 0 };
    const entry = known ?? { target, phase, dueNs: 0, intervalNs: 0, attempts, bursts: NO_BURSTS };
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
    const { target } = entry;
    const slot = this.#attempts.enter(entry.attempts);
    if (slot === undefined) {
      this.#options.missed(target.id, 1);
      return;
    }
    const sink = this.#options.begun(target.id);
    const watch: SilenceWatch = {
      silent: ({ address, giveUp }) => {
        const isWatched = this.#attempts.watch(slot, giveUp);
        if (isWatched && sink.silent(address)) this.#burst(entry);
        return isWatched;
      },
      heard: () => sink.heard(),
    };
    this.#attempt(target, watch).then((sample) => {
      const wantsBurst = sink.ended(slot.isDropped ? unwatched(sample) : sample);
      this.#attempts.leave(slot);
      if (wantsBurst) this.#burst(entry);
    });
  }

  async #attempt(target: Target, watch: SilenceWatch): Promise<Sample> {
    const startedAtMs = this.#clock.wallMs();
    const startedNs = this.#clock.monotonicNs();
    try {
      return await this.#options.probe(target, watch);
    } catch (error) {
      this.#options.onDefect(target.id, error);
      return unmeasured(target.id, startedAtMs, startedAtMs + (this.#clock.monotonicNs() - startedNs) / NS_PER_MS);
    }
  }

  #burst(entry: Entry): void {
    const isCurrent = this.#entries.get(entry.target.id) === entry;
    if (this.#stopped || !isCurrent) return;
    const nowNs = this.#clock.monotonicNs();
    this.#compareNow(entry, nowNs);
    if (!mayBurst(entry.target.options)) return;
    entry.bursts = startBurst(entry.bursts, nowNs);
    this.#plan(entry, nowNs);
    this.#arm();
  }

  /** Attempts what the target is compared with. */
  #compareNow({ target }: Entry, nowNs: number): void {
    for (const other of this.#entries.values()) {
      if (isComparedWith(target, other.target)) other.dueNs = Math.min(other.dueNs, nowNs);
    }
    this.#arm();
  }
}

/** The sample of a probe that rejected: nothing was measured, and the agent is to blame. */
function unmeasured(targetId: string, startedAtMs: number, endedAtMs: number): Sample {
  const outcome = { reason: "agent-resource", phase: "plan" } as const;
  return { targetId, startedAtMs, endedAtMs, outcome, phases: {}, evidence: { code: "PROBE_DEFECT" } };
}

/** A silence at its threshold that was not watched is not known to be a loss. Anything else stays. */
function unwatched(sample: Sample): Sample {
  const { reason, phase } = sample.outcome;
  return isWatched(reason) ? { ...sample, outcome: { reason: "agent-overload", phase } } : sample;
}
