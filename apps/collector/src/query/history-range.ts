/** Which time and which step an answer has, within the bounds of answers. */
import { MAX_UNIX_MS, type queryPb, UTF8_BYTES_PER_UNIT } from "@lifeline/wire";
import { HISTORY_STEPS_S, type HistoryStepS } from "../store/history-record.ts";
import { stepStartMs } from "../store/rollup.ts";
import { refuse } from "../streams/call-refusal.ts";

/** Most points of a target that a step of 0 gives (query.proto), and most steps of any answer. */
const MAX_STEPS = 1_000;

/** Most estimated bytes of an answer: three quarters of the largest message. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;

/**
 * Bytes of a point at most: 11 fields of 1 byte, 7 of a time, 5 counts of 6, a double, 3 durations of 6, and 2 of
 * length.
 */
const POINT_BYTES = 76;

/** Most points of an answer: to decode them takes some 0.2 s, in turns. */
const MAX_POINTS = 20_000;

type Times = Pick<queryPb.ListHistoryRequest, "fromUnixMs" | "toUnixMs" | "stepSeconds">;

interface RequestedTimes {
  readonly fromMs: number;
  readonly toMs: number;
  /** Undefined: the finest that will do. */
  readonly stepS: HistoryStepS | undefined;
}

/** The times of a request. Throws an RpcError for those that are none. */
export function readTimes({ fromUnixMs, toUnixMs, stepSeconds }: Times, nowMs: number): RequestedTimes {
  const latest = BigInt(MAX_UNIX_MS);
  if (fromUnixMs > latest) refuse("from_unix_ms", String(fromUnixMs), `at most ${MAX_UNIX_MS}`);
  if (toUnixMs > latest) refuse("to_unix_ms", String(toUnixMs), `at most ${MAX_UNIX_MS}, or 0 for now`);
  const stepS = HISTORY_STEPS_S.find((step) => step === stepSeconds);
  if (stepS === undefined && stepSeconds !== 0)
    refuse(
      "step_seconds",
      String(stepSeconds),
      `one of ${HISTORY_STEPS_S.join(", ")}, or 0 for the finest that will do`,
    );
  const fromMs = Number(fromUnixMs);
  const toMs = toUnixMs === 0n ? nowMs : Number(toUnixMs);
  if (fromMs >= toMs)
    refuse("from_unix_ms", String(fromUnixMs), `a time before ${Math.round(toMs)}, the end of the range`);
  return { fromMs, toMs, stepS };
}

/** The finest step that is kept for the whole time and gives at most {@link MAX_STEPS} points; else the coarsest. */
export function finestStep(fromMs: number, toMs: number, keptMs: Readonly<Record<HistoryStepS, number>>): HistoryStepS {
  const fits = (step: HistoryStepS) =>
    fromMs >= keptMs[step] && stepEndMs(toMs, step) - stepStartMs(fromMs, step) <= MAX_STEPS * step * 1_000;
  return HISTORY_STEPS_S.find(fits) ?? 3_600;
}

/** The end of the step that holds the moment before `toMs`. */
export function stepEndMs(toMs: number, stepS: HistoryStepS): number {
  return -stepStartMs(-toMs, stepS);
}

/** The longest range of one answer, ms: as many steps as keep the points of all targets within every bound. */
export function spanOf(targetIds: readonly string[], stepS: HistoryStepS): number {
  // A target has its id and the id of its requirement.
  const nameBytes = targetIds.reduce((sum, { length }) => sum + 2 * length * UTF8_BYTES_PER_UNIT, 0);
  const points = Math.min(MAX_POINTS, Math.floor((MAX_ANSWER_BYTES - nameBytes) / POINT_BYTES));
  const steps = Math.min(MAX_STEPS, Math.floor(points / targetIds.length));
  if (steps < 1) refuse("only", `a pattern of ${targetIds.length} targets`, "one of fewer");
  return steps * stepS * 1_000;
}
