/**
 * One attempt at one target, step by step, and what the judge says of it.
 *
 * 1. It is an attempt as `check` makes it (M1), by the same probe: silence is watched for a late answer.
 * 2. The judge gets this attempt alone, and says what it shows: one bad attempt is enough. The exit code is that of the
 *    verdict.
 */
import { type Outcome, type PhaseDurations, reasonFacts, type Sample, type Target } from "@lifeline/measure";
import { type AttemptStep, WindowAccumulator } from "@lifeline/prober";
import { DEFAULT_THRESHOLDS } from "@lifeline/verdict";
import type { Window } from "@lifeline/window";
import { targetName } from "../arguments/trace-target.ts";
import type { StatusModel, StatusRow } from "../render/status-row.ts";
import { durationText } from "../render/units.ts";
import { judgeRun, type Preflight } from "./preflight.ts";

/** A step of the attempt, or what this command adds: the target, how it ended, and the verdict. */
export interface TraceStep {
  /** Monotonic time since the attempt began, ns. */
  readonly atNs: number;
  readonly kind: AttemptStep["kind"] | "target" | "end" | "verdict" | "next";
  readonly text: string;
}

/** A traced attempt. */
export interface Trace {
  readonly steps: readonly TraceStep[];
  /** The judgement on the one row. */
  readonly model: StatusModel;
}

/** One bad attempt decides. */
const SINGLE_ATTEMPT = { ...DEFAULT_THRESHOLDS, proofRunLength: 1, lossRunLength: 1 };

/** Makes one attempt and judges it. An aborted signal ends it: what is known by then is shown. */
export async function traceAttempt(preflight: Preflight, target: Target): Promise<Trace> {
  const { clock, node, resolution, signal } = preflight;
  const steps: TraceStep[] = [];
  const windows: Window[] = [];
  const accumulator = new WindowAccumulator({ clock, sealed: (sealed) => windows.push(...sealed) });
  accumulator.retain(new Set([target.id]));
  const startedNs = clock.monotonicNs();
  const add = (kind: TraceStep["kind"], text: string) =>
    steps.push({ atNs: clock.monotonicNs() - startedNs, kind, text });
  add("target", `one attempt at ${targetName(target)}, threshold ${target.timeoutMs} ms`);

  const attempt = accumulator.begun(target.id);
  const watch = {
    silent({ address, giveUp }: { readonly address: string; readonly giveUp: () => void }) {
      if (signal.aborted) return false;
      signal.addEventListener("abort", giveUp, { once: true });
      accumulator.silent(target.id, attempt, address);
      return true;
    },
    heard: () => accumulator.heard(attempt),
  };
  const sample = await orAborted(
    node.probe(target, watch, (step) => steps.push(step)),
    signal,
  );
  if (sample === undefined) add("end", "interrupted");
  else {
    accumulator.ended(attempt, sample);
    for (const text of endTexts(sample)) add("end", text);
  }
  accumulator.stop();
  const rows = resolution.rows.filter(({ requirement }) => requirement.id === target.requirementId);
  const measured = { ...resolution, rows };
  const judged = judgeRun(preflight, { measured, windows: new Map([[target.id, windows]]) }, SINGLE_ATTEMPT);
  const model = { ...judged, rows: judged.rows.filter(({ targetId }) => targetId === target.id) };
  for (const row of model.rows) {
    add("verdict", verdictText(row));
    if (row.nextStep !== null) add("next", row.nextStep);
    // One bad attempt may be chance, and a trace makes no second one.
    if (row.verdict !== "met") add("next", `More attempts: lifeline check --only ${row.requirement}`);
  }
  return { steps, model };
}

async function orAborted(probing: Promise<Sample>, signal: AbortSignal): Promise<Sample | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const abort = () => resolve(undefined);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([probing, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

const PHASE_NAMES = [
  ["dnsNs", "name"],
  ["connectNs", "connect"],
  ["tlsNs", "TLS"],
  ["requestNs", "request"],
  ["firstByteNs", "first byte"],
] as const satisfies readonly (readonly [keyof PhaseDurations, string])[];

function endTexts({ outcome, phases, rtt, evidence }: Sample): readonly string[] {
  const times = PHASE_NAMES.flatMap(([phase, name]) => {
    const ns = phases[phase];
    return ns === undefined ? [] : [`${name} ${durationText(ns)}`];
  });
  if (rtt !== undefined) times.push(`round trip ${durationText(rtt.ns)} by the ${rtt.source} clock`);
  if (evidence.lateRttNs !== undefined) times.push(`late answer after ${durationText(evidence.lateRttNs)}`);
  return [outcomeText(outcome), ...(times.length === 0 ? [] : [`time by phase: ${times.join(", ")}`])];
}

function outcomeText({ reason, phase }: Outcome): string {
  return `${reason} in phase ${phase}: ${reasonFacts(reason).meaning}`;
}

function verdictText({ verdict, cause, evidence }: StatusRow): string {
  return `${verdict}${cause === null ? "" : `, cause ${cause}`}: ${evidence}`;
}
