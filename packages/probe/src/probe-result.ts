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
  readonly phases: Writable<PhaseDurations>;
  readonly evidence: Writable<Evidence>;
}

/** A trace without evidence. */
export function emptyTrace(): Trace {
  return { rtt: undefined, phases: {}, evidence: {} };
}

/** The result of an attempt that ended with `outcome`. */
export function resultOf(trace: Trace, outcome: Outcome): ProbeResult {
  const { rtt, phases, evidence } = trace;
  return { outcome, phases, evidence, ...(rtt === undefined ? {} : { rtt }) };
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
