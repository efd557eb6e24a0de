/**
 * The verdict on one target from its own windows. Correlation with other targets comes later (see correlate).
 *
 * 1. Without a fresh window the verdict is unknown (M4).
 * 2. The deciding streak gives met or unmet. Failures that come and go degrade.
 * 3. Where a host has several addresses, each has a run of its own (address-states.ts). Some that fail beside some that
 *    answer degrade the target.
 * 4. Trouble of the agent is never a fault of the network (M3).
 */
import { type Cause, outcomeClassOf, type Reason, reasonFacts, type Target } from "@lifeline/measure";
import {
  emptyWindow,
  endedCount,
  latestSample,
  mergeAllWindows,
  type Remembered,
  WINDOW_MS,
  type Window,
} from "@lifeline/window";
import { type AddressStates, addressStatesOf, type FailingAddress } from "./address-states.ts";
import { conclusiveOf, endedOf } from "./attempt-counts.ts";
import { degradationOf } from "./degradation.ts";
import { directionsOf } from "./direction-lookback.ts";
import { type JudgedWindows, judgedWindows } from "./judged-windows.ts";
import type { PreviousVerdict, Verdict } from "./row.ts";
import { type Streak, streakOf } from "./streak.ts";
import { lookbackMsOf, staleAfterMsOf, type Thresholds } from "./thresholds.ts";

/** What a target verdict rests on; closed, so that each basis has its sentence. */
export type Basis =
  | "answered"
  | "failed"
  | "intermittent"
  | "some-addresses"
  | "unconfirmed"
  | "silent"
  | "name-has-no-address"
  /** Something answered, and the answer says nothing of the requirement. */
  | "unproven"
  | "agent-trouble"
  | "no-attempt"
  | "no-data";

/** The verdict of a target from its own windows. */
export interface TargetVerdict {
  readonly verdict: Verdict;
  readonly cause: Cause;
  readonly basis: Basis;
  /** The deciding reason; `answered` where nothing bad was seen. */
  readonly reason: Reason;
  /** The sample that shows it. Undefined: none is kept. */
  readonly seen: Remembered | undefined;
  /** Length of the deciding run in samples; 0 without one. */
  readonly runLength: number;
  /** Wall time at which the deciding run began, ms since the epoch. */
  readonly onsetMs: number;
  /** Every window of the lookback, merged. */
  readonly lookback: Window;
  readonly lookbackMs: number;
  readonly lastSampleAtMs: number | undefined;
  /**
   * When the target last answered, ms since the epoch: at this time or later, because a window keeps the time of its
   * latest sample only. Undefined: no window holds an answer.
   */
  readonly answeredAtMs: number | undefined;
  /**
   * When a query for the target's name was last answered with an address, ms since the epoch: at this time or later. A
   * name that was cached, or is in the hosts file, shows nothing of a resolver. Undefined: no window holds such a
   * query.
   */
  readonly resolvedAtMs: number | undefined;
  /** What the name resolved to when the target last answered, sorted. Undefined: no window holds it. */
  readonly goodAnswers: readonly string[] | undefined;
  /** Undefined: the host has one address. */
  readonly addresses: AddressStates | undefined;
}

type Conclusion = Pick<TargetVerdict, "verdict" | "cause" | "basis" | "reason" | "seen" | "runLength" | "onsetMs">;

/** Judges one target by its own windows. Ignores windows of other targets; their order is irrelevant. */
export function targetVerdictOf(
  target: Target,
  windows: readonly Window[],
  nowMs: number,
  thresholds: Thresholds,
  previous?: PreviousVerdict,
): TargetVerdict {
  // A window that ends in the future was labelled before the clock was set back. Its time is unknown, and it would stay
  // fresh for ever.
  const own = windows.filter(({ targetId, endMs }) => targetId === target.id && endMs <= nowMs + WINDOW_MS);
  const lookbackMs = lookbackMsOf(thresholds, target.cadenceMs);
  const recent = own.filter(({ endMs }) => endMs > nowMs - lookbackMs);
  const fresh = recent.filter(({ endMs }) => endMs > nowMs - staleAfterMsOf(thresholds, target.cadenceMs));
  const addresses = addressStatesOf(own, thresholds);
  const streak = streakOver(own, streakOf(own, thresholds, target.cadenceMs), addresses);
  const judged = judgedWindows(target, recent, streak, addresses, thresholds);
  const merged = mergeAllWindows(emptyWindow(target.id, nowMs, nowMs - lookbackMs), judged.windows);
  const lookback = { ...merged, directions: directionsOf(judged.windows) };
  const lastSampleAtMs = own.reduce(latestEndOfSample, undefined);
  const whole = conclude(own, judged, fresh, lookback, streak, nowMs, thresholds, previous);
  const conclusion = addresses === undefined ? whole : withDeadAddresses(whole, addresses);
  return {
    ...conclusion,
    lookback,
    lookbackMs,
    lastSampleAtMs,
    answeredAtMs: answeredAtMsOf(own),
    resolvedAtMs: resolvedAtMsOf(own),
    goodAnswers: goodAnswersOf(own, conclusion),
    addresses,
  };
}

/**
 * The streak of a target whose addresses take turns. Failures in a row at several addresses prove nothing while another
 * one answers. A name that cannot be resolved fails at every address.
 */
function streakOver(own: readonly Window[], streak: Streak, addresses: AddressStates | undefined): Streak {
  if (addresses === undefined || addresses.answering.length + addresses.failing.length === 0) return streak;
  const { failing, answering, undecided, allBadNow, answeringSinceMs, recoveredAtMs } = addresses;
  if (streak.kind === "bad" && (allBadNow || streak.seen.evidence.address === undefined)) return streak;
  if (answering.length > 0) {
    const sinceMs = Math.max(answeringSinceMs, recoveredAtMs);
    return {
      kind: "good",
      sinceMs,
      runLength: streak.kind === "good" ? streak.runLength : 1,
      outageOrdinal: undefined,
    };
  }
  const [latest] = failing.toSorted((a, b) => b.seen.endedAtMs - a.seen.endedAtMs);
  if (latest === undefined || undecided.length > 0) return streak;
  const { reason, runLength } = latest;
  const sinceMs = Math.max(...failing.map((one) => one.sinceMs));
  return { kind: "bad", sinceMs, runLength, reason, seen: wholeSample(own, latest) };
}

/** The sample with the evidence that the target's own sample there has: an address keeps less, such as no chain. */
function wholeSample(own: readonly Window[], { address, reason, seen, sinceMs }: FailingAddress): Remembered {
  const there = own
    .flatMap(({ last, lastBad }) => [last, lastBad])
    .filter((one) => one?.reason === reason && one.evidence.address === address && one.endedAtMs >= sinceMs);
  const evidence = there.reduce(latestSample, undefined)?.evidence;
  return evidence === undefined ? seen : { ...seen, evidence };
}

/** A target that answers at some addresses and fails at others is degraded. */
function withDeadAddresses(whole: Conclusion, { failing, answering }: AddressStates): Conclusion {
  const [first] = failing;
  const isWorking = whole.verdict === "met" || whole.verdict === "degraded";
  if (first === undefined || answering.length === 0 || !isWorking) return whole;
  return {
    verdict: "degraded",
    cause: "dead-address",
    basis: "some-addresses",
    reason: first.reason,
    seen: { ...first.seen, evidence: { ...first.seen.evidence, address: first.address } },
    runLength: first.runLength,
    onsetMs: Math.min(...failing.map(({ sinceMs }) => sinceMs)),
  };
}

function conclude(
  own: readonly Window[],
  judged: JudgedWindows,
  fresh: readonly Window[],
  lookback: Window,
  streak: Streak,
  nowMs: number,
  thresholds: Thresholds,
  previous: PreviousVerdict | undefined,
): Conclusion {
  if (fresh.length === 0) return open("no-data", "no-data", "answered", undefined, latestEnd(own) ?? nowMs);
  if (!fresh.some((window) => conclusiveOf(window) > 0)) return inconclusive(fresh, nowMs);
  switch (streak.kind) {
    case "bad":
      return {
        verdict: verdictOfFailure(reasonFacts(streak.reason).cause),
        cause: reasonFacts(streak.reason).cause,
        basis: "failed",
        reason: streak.reason,
        seen: streak.seen,
        runLength: streak.runLength,
        onsetMs: streak.sinceMs,
      };
    case "unconfirmed":
      return open(
        "unconfirmed",
        reasonFacts(streak.reason).cause,
        streak.reason,
        streak.seen,
        streak.seen.run.startedAtMs,
      );
    case "silent":
      return open("silent", "no-evidence", "silent", lookback.last, streak.sinceMs);
    case "inconclusive":
      return inconclusive(fresh, nowMs);
    case "good":
      return working(streak, judged, lookback, thresholds, previous);
  }
}

/** An endpoint that limits its callers is reachable, and serves some of them. */
function verdictOfFailure(cause: Cause): "degraded" | "unmet" {
  return cause === "rate-limited" ? "degraded" : "unmet";
}

function working(
  streak: Extract<Streak, { kind: "good" }>,
  judged: JudgedWindows,
  lookback: Window,
  thresholds: Thresholds,
  previous: PreviousVerdict | undefined,
): Conclusion {
  const met: Conclusion = {
    verdict: "met",
    cause: "none",
    basis: "answered",
    reason: "answered",
    seen: lookback.last,
    runLength: streak.runLength,
    onsetMs: flawlessSinceMs(streak, lookback),
  };
  const degradation = degradationOf(judged, lookback, thresholds, previous);
  if (degradation === undefined) return met;
  const { cause } = reasonFacts(degradation.reason);
  return { ...met, ...degradation, verdict: "degraded", cause, basis: "intermittent" };
}

/** Since when the good run is without late answers and lost SYNs, which do not end it, ms since the epoch. */
function flawlessSinceMs({ sinceMs }: Extract<Streak, { kind: "good" }>, { lastBad }: Window): number {
  if (lastBad === undefined || outcomeClassOf(lastBad.reason) !== "good") return sinceMs;
  return Math.max(sinceMs, lastBad.endedAtMs);
}

/** Fresh windows without a conclusive sample: the latest sample says why. */
function inconclusive(fresh: readonly Window[], nowMs: number): Conclusion {
  const merged = mergeAllWindows(emptyWindow("", nowMs, nowMs), fresh);
  const { last } = merged;
  if (endedCount(merged) === 0 || last === undefined) {
    return open("no-attempt", "not-measured", "agent-overload", undefined, nowMs);
  }
  const outcomeClass = outcomeClassOf(last.reason);
  const reason = outcomeClass === "inconclusive" || outcomeClass === "silent" ? last.reason : "stalled";
  // A sample of another class than its run's keeps the run before it. The verdict is unknown since the first window.
  const sinceMs = last.run.outcomeClass === outcomeClass ? last.run.startedAtMs : merged.startMs;
  const { cause, kind } = reasonFacts(reason);
  if (kind === "rejected") return open("unproven", cause, reason, last, sinceMs);
  if (cause === "no-evidence") return open("silent", cause, reason, last, sinceMs);
  if (cause === "dns-nodata") return open("name-has-no-address", cause, reason, last, sinceMs);
  return open("agent-trouble", cause, reason, last, sinceMs);
}

function open(basis: Basis, cause: Cause, reason: Reason, seen: Remembered | undefined, onsetMs: number): Conclusion {
  return { verdict: "unknown", cause, basis, reason, seen, runLength: seen?.run.length ?? 0, onsetMs };
}

function latestEndOfSample(latest: number | undefined, { last }: Window): number | undefined {
  if (last === undefined) return latest;
  return latest === undefined ? last.endedAtMs : Math.max(latest, last.endedAtMs);
}

function answeredAtMsOf(own: readonly Window[]): number | undefined {
  let latestMs: number | undefined;
  for (const window of own) {
    const atMs = endedOf(window, "good") > 0 ? answeredWithinMs(window) : undefined;
    if (atMs !== undefined && (latestMs === undefined || atMs > latestMs)) latestMs = atMs;
  }
  return latestMs;
}

/** A window with an attempt that sent nothing is left out: all of its queries may have failed. */
function resolvedAtMsOf(own: readonly Window[]): number | undefined {
  const resolved = own.filter(
    ({ phases, counts }) =>
      (phases.get("dnsNs")?.count ?? 0) > 0 &&
      [...counts.keys()].every((reason) => reasonFacts(reason).kind !== "not-sent"),
  );
  return resolved.reduce<number | undefined>((latest, { startMs }) => Math.max(latest ?? startMs, startMs), undefined);
}

/** The least time of the latest answer in a window that holds one. The link's counters say when they last grew. */
function answeredWithinMs({ startMs, last }: Window): number | undefined {
  if (last === undefined) return undefined;
  if (outcomeClassOf(last.reason) === "good") return last.endedAtMs;
  const { link } = last.evidence;
  return link === undefined ? startMs : Math.max(startMs, last.endedAtMs - link.rxFrozenMs);
}

/**
 * The answers of the latest good sample. For a working target: of the latest good sample whose answers differ from the
 * present ones.
 */
function goodAnswersOf(own: readonly Window[], { verdict, seen }: Conclusion): readonly string[] | undefined {
  const now = verdict === "unmet" ? undefined : seen?.evidence.answers?.join();
  let latest: Remembered | undefined;
  for (const { last } of own) {
    if (last === undefined || outcomeClassOf(last.reason) !== "good" || last.evidence.answers === undefined) continue;
    if (last.evidence.answers.join() === now) continue;
    latest = latestSample(latest, last);
  }
  return latest?.evidence.answers;
}

function latestEnd(windows: readonly Window[]): number | undefined {
  return windows.length === 0 ? undefined : windows.reduce((latest, { endMs }) => Math.max(latest, endMs), 0);
}
