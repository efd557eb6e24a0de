/**
 * Runs: how long the latest outcome class has lasted. A run may cross windows, so it is tracked outside them, and each
 * sample carries its run. That keeps merging windows independent of order (W1).
 */
import { type OutcomeClass, outcomeClassOf, reasonFacts, type Sample } from "@lifeline/measure";

/** The run that a target is in after a sample. */
export interface Run {
  /**
   * Order of a target's runs: later runs have greater ordinals. The first is the wall time of the first sample (ms
   * since the epoch), and each later one is greater by one. So ordinals keep rising over restarts, and while the wall
   * clock is set back (M2). A safe integer.
   */
  readonly ordinal: number;
  /** Class of the run; inconclusive samples neither extend nor break a good or bad run (M4). */
  readonly outcomeClass: OutcomeClass;
  /** Conclusive samples in a row of that class (inconclusive ones, while nothing else has been seen). */
  readonly length: number;
  /** Wall time, ms since the epoch, at which the first sample of the run began. */
  readonly startedAtMs: number;
  /** Losses in a row up to this sample: 0 after an answered, rejected or late one. */
  readonly lossRun: number;
  /**
   * Attempts after this sample that are past their loss threshold without an answer, and are still watched for a late
   * one. The next one that ends follows this sample.
   */
  readonly watched: number;
}

/** A sample with the run it belongs to. */
export interface FollowedSample {
  readonly sample: Sample;
  readonly run: Run;
  /** Whether this sample began a new run, at which a window seals early (W2). False for the first sample. */
  readonly turned: boolean;
  /** The run of the address of the attempt, where several take turns. */
  readonly addressRun?: Run;
}

/** The run of a target after one more sample. */
export function followRun(previous: Run | undefined, sample: Sample): FollowedSample {
  const outcomeClass = outcomeClassOf(sample.outcome.reason);
  const lossRun = nextLossRun(previous?.lossRun ?? 0, sample);
  if (previous === undefined || (outcomeClass !== "inconclusive" && outcomeClass !== previous.outcomeClass)) {
    const ordinal = previous === undefined ? Math.round(sample.startedAtMs) : previous.ordinal + 1;
    const run = { ordinal, outcomeClass, length: 1, startedAtMs: sample.startedAtMs, lossRun, watched: 0 };
    return { sample, run, turned: previous !== undefined };
  }
  const extends_ = outcomeClass === previous.outcomeClass;
  const run = { ...previous, length: previous.length + (extends_ ? 1 : 0), lossRun, watched: 0 };
  return { sample, run, turned: false };
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
