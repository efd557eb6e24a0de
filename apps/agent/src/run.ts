/**
 * Runs the schedule: begins an attempt at each tick, with a bound on those under way.
 *
 * 1. A tick at which nothing can be begun is counted as missed and never made up (M3).
 * 2. Attempts under way are bounded, for each target and in all (S2).
 * 3. One timer waits for the soonest tick, whatever the number of targets.
 */
import { type Clock, NS_PER_MS, type Sample, type Target, type Timer } from "@lifeline/measure";
import {
  cadenceAt,
  firstDueNs,
  mayHasten,
  nextDueNs,
  phaseNs,
  type Suspicion,
  suspect,
  ticksDue,
  UNSUSPICIOUS,
} from "./schedule.ts";

/** Attempts under way in all: well below the 1,024 descriptors Talos gives an extension (containerd's default NOFILE). */
export const IN_FLIGHT_MAX = 128;

/** Attempts under way at one target: a timeout of 8 cadences overlaps itself this often. */
export const IN_FLIGHT_PER_TARGET_MAX = 8;

/** What a {@link Runner} needs. */
export interface RunnerOptions {
  readonly clock: Clock;
  /** Hashed into every target's phase. */
  readonly nodeId: string;
  /** One attempt (M1); a rejection is a defect and goes to `onDefect`. */
  readonly probe: (target: Target) => Promise<Sample>;
  /** An attempt was begun; what it gives takes the attempt's sample, and is true to ask for faster probing for a while. */
  readonly begun: (targetId: string) => (sample: Sample) => boolean;
  /** So many ticks passed without an attempt. */
  readonly missed: (targetId: string, ticks: number) => void;
  /** A probe rejected. The attempt counts as not measured, so one broken target does not silence the others. */
  readonly onDefect: (targetId: string, error: unknown) => void;
  /** Default {@link IN_FLIGHT_MAX}. */
  readonly inFlightMax?: number;
  /** Default {@link IN_FLIGHT_PER_TARGET_MAX}. */
  readonly inFlightPerTargetMax?: number;
}

/** Probes a set of targets until stopped. */
export interface Runner {
  /** Replaces the targets; those that stay keep their place on the grid, attempts under way end as they will. */
  setTargets(targets: readonly Target[]): void;
  /** Attempts under way. */
  inFlight(): number;
  /** Begins no more attempts; those under way still report. Idempotent. */
  stop(): void;
}

interface Entry {
  target: Target;
  phase: number;
  dueNs: number;
  /** The interval `dueNs` was found with. */
  intervalNs: number;
  inFlight: number;
  suspicion: Suspicion;
}

/** Creates a runner without targets. */
export function createRunner(options: RunnerOptions): Runner {
  const { clock, nodeId, inFlightMax = IN_FLIGHT_MAX, inFlightPerTargetMax = IN_FLIGHT_PER_TARGET_MAX } = options;
  let entries = new Map<string, Entry>();
  let inFlight = 0;
  let timer: Timer | undefined;
  let stopped = false;

  const plan = (entry: Entry, nowNs: number) => {
    entry.intervalNs = cadenceAt(entry.target.cadenceMs, entry.suspicion, nowNs) * NS_PER_MS;
    entry.dueNs = nextDueNs(nowNs, entry.intervalNs, entry.phase);
  };

  const arm = () => {
    timer?.cancel();
    timer = undefined;
    if (stopped || entries.size === 0) return;
    let soonestNs = Number.POSITIVE_INFINITY;
    for (const { dueNs } of entries.values()) soonestNs = Math.min(soonestNs, dueNs);
    // Whole milliseconds, rounded up, so that a timer's granularity never wakes us before the tick.
    timer = clock.after(Math.max(0, Math.ceil((soonestNs - clock.monotonicNs()) / NS_PER_MS)), wake);
  };

  const wake = () => {
    const nowNs = clock.monotonicNs();
    for (const entry of entries.values()) {
      const ticks = ticksDue(entry.dueNs, nowNs, entry.intervalNs);
      if (ticks === 0) continue;
      plan(entry, nowNs);
      if (ticks > 1) options.missed(entry.target.id, ticks - 1);
      begin(entry);
    }
    arm();
  };

  const begin = (entry: Entry) => {
    const { target } = entry;
    if (inFlight >= inFlightMax || entry.inFlight >= inFlightPerTargetMax) return options.missed(target.id, 1);
    inFlight += 1;
    entry.inFlight += 1;
    const ended = options.begun(target.id);
    const startedAtMs = clock.wallMs();
    const startedNs = clock.monotonicNs();
    options
      .probe(target)
      .catch((error: unknown) => {
        options.onDefect(target.id, error);
        return unmeasured(target.id, startedAtMs, startedAtMs + (clock.monotonicNs() - startedNs) / NS_PER_MS);
      })
      .then((sample) => end(entry, ended(sample)));
  };

  const end = (entry: Entry, suspicious: boolean) => {
    inFlight -= 1;
    entry.inFlight -= 1;
    if (!suspicious || !mayHasten(entry.target.options) || stopped || entries.get(entry.target.id) !== entry) return;
    const nowNs = clock.monotonicNs();
    entry.suspicion = suspect(entry.suspicion, nowNs);
    plan(entry, nowNs);
    arm();
  };

  return {
    setTargets(targets) {
      const nowNs = clock.monotonicNs();
      const next = new Map<string, Entry>();
      for (const target of targets) {
        const kept = entries.get(target.id);
        const phase = phaseNs(nodeId, target.id, target.cadenceMs);
        const entry = kept ?? { target, phase, dueNs: 0, intervalNs: 0, inFlight: 0, suspicion: UNSUSPICIOUS };
        const samePace = kept?.target.cadenceMs === target.cadenceMs;
        entry.target = target;
        entry.phase = phase;
        if (!samePace) plan(entry, nowNs);
        if (kept === undefined) entry.dueNs = firstDueNs(nowNs, entry.intervalNs, phase);
        next.set(target.id, entry);
      }
      entries = next;
      arm();
    },
    inFlight: () => inFlight,
    stop() {
      stopped = true;
      timer?.cancel();
      timer = undefined;
    },
  };
}

/** What a broken probe leaves behind: nothing was measured, and the agent is to blame. */
function unmeasured(targetId: string, startedAtMs: number, endedAtMs: number): Sample {
  const outcome = { reason: "agent-resource", phase: "plan" } as const;
  return { targetId, startedAtMs, endedAtMs, outcome, phases: {}, evidence: { code: "PROBE_DEFECT" } };
}
