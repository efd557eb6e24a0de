/** What one attempt showed, before it is labelled with the target and the time: what every protocol file returns. */
import type { Evidence, Outcome, Phase, PhaseDurations, Reason, Sample } from "@lifeline/measure";

/** A {@link Sample} without its labels. */
export type ProbeResult = Pick<Sample, "outcome" | "rtt" | "phases" | "evidence" | "directions">;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What has been seen so far in an attempt; filled in as it goes, so that whatever ends it keeps the evidence. */
export interface Trace {
  rtt: Sample["rtt"];
  readonly phases: Writable<PhaseDurations>;
  readonly evidence: Writable<Evidence>;
}

/** A trace of nothing yet. */
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

/** Characters kept of any text a peer chose. */
const TEXT_MAX_CHARS = 256;

/** `text` cut to what evidence may hold (S2). */
export function boundedText(text: string): string {
  return text.length <= TEXT_MAX_CHARS ? text : text.slice(0, TEXT_MAX_CHARS);
}
