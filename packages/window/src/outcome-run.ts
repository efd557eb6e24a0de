/**
 * Runs: how long the latest outcome class has lasted. A run may cross windows, so it is tracked outside them, and each
 * sample carries its run. That keeps merging windows independent of order (W1).
 *
 * 1. An attempt that was not measured neither extends nor ends a run (M3).
 * 2. A bad run may hold several states, such as refusals and then timeouts. A state has its own start and length. It
 *    changes once the other outcome is proved.
 * 3. Silence of a peer that need not answer ends a run once it has lasted. A shorter silence may be an ICMP error that
 *    a rate limit withheld.
 */
import {
  isSilence,
  type Outcome,
  type OutcomeClass,
  outcomeClassOf,
  type Reason,
  reasonFacts,
  type Sample,
} from "@lifeline/measure";

/** The run that a target is in after a sample. */
export interface Run {
  /**
   * Order of a target's runs: later runs have greater ordinals. The first is the wall time of the first sample (ms
   * since the epoch), and each later one is greater by one. So ordinals keep rising over restarts, and while the wall
   * clock is set back (M2). A safe integer.
   */
  readonly ordinal: number;
  /** Class of the run; inconclusive samples neither extend nor break a run of another class (M4). */
  readonly outcomeClass: OutcomeClass;
  /** Samples in a row of that class (inconclusive ones, while nothing else has been seen). */
  readonly length: number;
  /**
   * Wall time, ms since the epoch, at which the first sample of the run began. Of a good run after a bad one: at which
   * it ended.
   */
  readonly startedAtMs: number;
  /** Losses in a row up to this sample: 0 after an answered, rejected or late one. */
  readonly lossRun: number;
  /**
   * Attempts after this sample that are past their loss threshold without an answer, and are still watched for a late
   * one. The next one that ends follows this sample.
   */
  readonly watched: number;
  /** Samples in a row of the run's present state. At most `length`. */
  readonly stateLength: number;
  /** Wall time, ms since the epoch, at which the first sample of the present state began. */
  readonly stateStartedAtMs: number;
}

/** A run, and what is not proved yet. */
export interface RunProgress extends Run {
  /** The present state; undefined for a run that is not bad. */
  readonly state?: Reason | undefined;
  /** How long silence must last to follow the present state, ms. */
  readonly stateHoldsMs?: number;
  /** Samples since the last one of the present state, all of one other state. */
  readonly pending?: PendingState | undefined;
}

interface PendingState {
  readonly state: Reason;
  readonly length: number;
  readonly startedAtMs: number;
  /** Wall time, ms since the epoch, at which the latest of them ended. */
  readonly endedAtMs: number;
}

/** Attempts of a run, with those after its latest sample that are silent too and still watched. */
export function lengthWithWatched({ length, watched }: Run): number {
  return length + watched;
}

/** A sample with the run it belongs to. */
export interface FollowedSample {
  readonly sample: Sample;
  readonly run: RunProgress;
  /** Whether this sample began a new run, at which a window seals early (W2). False for the first sample. */
  readonly turned: boolean;
  /** The run of the address of the attempt, where several take turns. */
  readonly addressRun?: RunProgress;
  /** Whether the sample is of the present state of its run. False for one that would prove another state. */
  readonly isOfState: boolean;
}

/** Samples in a row that prove another state: as many as the judge wants of an outage (its thresholds). */
const PROOF_LENGTH = 2;
const SILENCE_LENGTH = 3;

/**
 * How long silence after an ICMP error must last to be a state of its own, ms. Linux sends one ICMP error a second to
 * a peer (icmp(7), icmp_ratelimit), and the probes of a node to one host share it. Ten seconds of probes without one
 * mean that the refusal is over.
 */
const ICMP_HOLDS_MS = 10_000;

/** What a window keeps of a run. */
export function runOf({ state, stateHoldsMs, pending, ...run }: RunProgress): Run {
  return run;
}

/** The run of a target after one more sample. */
export function followRun(previous: RunProgress | undefined, sample: Sample): FollowedSample {
  const { reason } = sample.outcome;
  const outcomeClass = outcomeClassOf(reason);
  const lossRun = nextLossRun(previous?.lossRun ?? 0, sample);
  if (previous === undefined) {
    const run = runFrom(Math.round(sample.startedAtMs), sample, lossRun);
    return { sample, run, turned: false, isOfState: true };
  }
  const before = { ...previous, lossRun, watched: 0 };
  if (outcomeClass === "inconclusive") return followUnmeasured(before, sample);
  if (outcomeClass === previous.outcomeClass) return followSameClass(before, sample);
  if (outcomeClass === "silent" && previous.outcomeClass !== "inconclusive") {
    return followSilence(before, sample);
  }
  // The first attempt that is answered may have begun while nothing was, and be answered by a packet sent again.
  const isRecovery = outcomeClass === "good" && previous.outcomeClass === "bad";
  const first = isRecovery ? { ...sample, startedAtMs: sample.endedAtMs } : sample;
  return { sample, run: runFrom(previous.ordinal + 1, first, lossRun), turned: true, isOfState: true };
}

function runFrom(ordinal: number, { startedAtMs, outcome }: Sample, lossRun: number): RunProgress {
  const outcomeClass = outcomeClassOf(outcome.reason);
  const state = outcomeClass === "bad" ? stateOf(outcome.reason) : undefined;
  const began = { length: 1, startedAtMs, stateLength: 1, stateStartedAtMs: startedAtMs };
  return { ordinal, outcomeClass, ...began, lossRun, watched: 0, state, stateHoldsMs: holdsMs(outcome) };
}

/** The state of a bad outcome. A loss is one, whatever else the tunnel received meanwhile. */
function stateOf(reason: Reason): Reason {
  return reason === "tunnel-one-way" ? "timeout" : reason;
}

function followUnmeasured(previous: RunProgress, sample: Sample): FollowedSample {
  if (previous.outcomeClass !== "inconclusive") return { sample, run: previous, turned: false, isOfState: false };
  return { sample, run: longer(previous), turned: false, isOfState: true };
}

function followSameClass(previous: RunProgress, sample: Sample): FollowedSample {
  const state = stateOf(sample.outcome.reason);
  if (previous.outcomeClass !== "bad" || previous.state === state) {
    return { sample, run: { ...longer(previous), pending: undefined }, turned: false, isOfState: true };
  }
  const pending = pendingAfter(previous.pending, state, sample);
  const length = previous.length + 1;
  if (!isProved(pending, previous.stateHoldsMs ?? 0, sample)) {
    return { sample, run: { ...previous, length, pending }, turned: false, isOfState: false };
  }
  const began = { stateLength: pending.length, stateStartedAtMs: pending.startedAtMs, pending: undefined };
  const run = { ...previous, length, ...began, state, stateHoldsMs: holdsMs(sample.outcome) };
  return { sample, run, turned: false, isOfState: true };
}

/** Silence after a good or a bad run. */
function followSilence(previous: RunProgress, sample: Sample): FollowedSample {
  const pending = pendingAfter(previous.pending, "silent", sample);
  const { length, startedAtMs } = pending;
  if (sample.endedAtMs - startedAtMs < ICMP_HOLDS_MS) {
    return { sample, run: { ...previous, pending }, turned: false, isOfState: false };
  }
  const began = { length, startedAtMs, stateLength: length, stateStartedAtMs: startedAtMs };
  const run = { ...runFrom(previous.ordinal + 1, sample, previous.lossRun), ...began };
  return { sample, run, turned: true, isOfState: true };
}

function longer(run: RunProgress): RunProgress {
  return { ...run, length: run.length + 1, stateLength: run.stateLength + 1 };
}

function pendingAfter(before: PendingState | undefined, state: Reason, sample: Sample): PendingState {
  const { startedAtMs, endedAtMs } = sample;
  if (before?.state !== state) return { state, length: 1, startedAtMs, endedAtMs };
  return isSameEvent(before, sample) ? before : { ...before, length: before.length + 1, endedAtMs };
}

/**
 * Whether an answer that denies is the same event as the one before: its attempt had begun by then. A server that hung
 * resets all that it left open, once it goes on.
 */
function isSameEvent(before: PendingState, { startedAtMs, endedAtMs }: Sample): boolean {
  const isDenial = outcomeClassOf(before.state) === "bad" && !isSilence(before.state);
  // One that ended earlier, too, was labelled by a clock that was set back since.
  return isDenial && startedAtMs < before.endedAtMs && endedAtMs >= before.endedAtMs;
}

function isProved({ state, length, startedAtMs }: PendingState, presentHoldsMs: number, sample: Sample): boolean {
  if (!isSilence(state)) return length >= PROOF_LENGTH;
  return length >= SILENCE_LENGTH && sample.endedAtMs - startedAtMs >= presentHoldsMs;
}

/** A refusal of a datagram is an ICMP error; one of a connection is a reset, which no rate limit withholds. */
function holdsMs({ reason, phase }: Outcome): number {
  const isRefusedDatagram = reason === "refused" && phase === "first-byte";
  return isRefusedDatagram || reason === "host-unreachable" || reason === "admin-prohibited" ? ICMP_HOLDS_MS : 0;
}

function nextLossRun(before: number, sample: Sample): number {
  switch (reasonFacts(sample.outcome.reason).kind) {
    case "lost":
      return before + 1;
    case "not-sent":
    case "silent":
    case "observed":
      return before;
    case "answered":
    case "rejected":
    case "late":
      return 0;
  }
}
