/** The result of one attempt, before it is labelled with target and time. Every protocol returns one. */
import type { Evidence, Outcome, Phase, PhaseDurations, Reason, Sample } from "@lifeline/measure";

/** A {@link Sample} without its labels. */
export type ProbeResult = Pick<Sample, "outcome" | "rtt" | "phases" | "evidence" | "directions">;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * What an attempt has shown so far. It is filled in as the attempt proceeds, so that the evidence is kept however it
 * ends.
 */
export interface Trace {
  rtt: Sample["rtt"];
  /** Why an answer is not as it should be although it came: it was late, or its first SYN was lost. */
  flaw: Outcome | undefined;
  readonly phases: Writable<PhaseDurations>;
  readonly evidence: Writable<Evidence>;
}

/** A trace without evidence. */
export function emptyTrace(): Trace {
  return { rtt: undefined, flaw: undefined, phases: {}, evidence: {} };
}

/** The result of an attempt that ended with `outcome`. An answer with a flaw ends with the flaw; a fault stays. */
export function resultOf(trace: Trace, outcome: Outcome): ProbeResult {
  const { rtt, flaw, phases, evidence } = trace;
  const ended = outcome.reason === "answered" ? (flaw ?? outcome) : outcome;
  return { outcome: ended, phases, evidence, ...(rtt === undefined ? {} : { rtt }) };
}

/**
 * Notes an answer that came `elapsedNs` after the attempt began, by its lateness: a late one is still judged. Returns
 * how the attempt ends when this process stalled, which shows nothing (M3).
 */
export function noteLateness(
  lateness: "late" | "stalled" | undefined,
  elapsedNs: number,
  phase: Phase,
  trace: Trace,
): Outcome | undefined {
  // An answer whose connection was late by the kernel's own figure is late, whatever this process did since.
  if (lateness === undefined || (lateness === "stalled" && trace.flaw !== undefined)) return undefined;
  if (lateness === "stalled") return outcome("stalled", phase);
  trace.rtt = undefined;
  trace.evidence.lateRttNs ??= elapsedNs;
  trace.flaw ??= outcome("late", phase);
  return undefined;
}

/** An outcome in one line. */
export function outcome(reason: Reason, phase: Phase): Outcome {
  return { reason, phase };
}

/** Most characters that are kept of a text that a peer chose. */
const TEXT_MAX_CHARS = 256;

/** `text`, truncated to what evidence may hold (S2). */
export function boundedText(text: string): string {
  return text.length <= TEXT_MAX_CHARS ? text : text.slice(0, TEXT_MAX_CHARS);
}
