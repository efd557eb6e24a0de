/**
 * The verdict on one target from its own windows. Correlation with other targets comes later (see correlate).
 *
 * 1. Without a fresh window the verdict is unknown (M4).
 * 2. The deciding streak gives met or unmet. Failures that come and go degrade.
 * 3. Where a host has several addresses, each has a run of its own (address-states.ts). Some that fail beside some that
 *    answer degrade the target.
 * 4. Trouble of the agent is never a fault of the network (M3).
 */
import {
  type Cause,
  isSilence,
  LATE_WATCH_MS,
  outcomeClassOf,
  type Reason,
  reasonFacts,
  type Target,
} from "@lifeline/measure";
import {
  binomialTail,
  cleanRunChance,
  compareMoments,
  emptyWindow,
  endedCount,
  latestSample,
  lossOf,
  mergeAllWindows,
  type Remembered,
  WINDOW_MS,
  type Window,
  wilsonInterval,
} from "@lifeline/window";
import { type AddressStates, addressStatesOf } from "./address-states.ts";
import { conclusiveOf, endedOf, flawedGoodOf, flawedOf, sumOver } from "./attempt-counts.ts";
import { directionsOf } from "./direction-lookback.ts";
import { failingSpan } from "./failing-span.ts";
import type { PreviousVerdict, Verdict } from "./row.ts";
import { badRunCount, type Streak, streakOf } from "./streak.ts";
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
  const streak = streakOver(streakOf(own, thresholds, target.cadenceMs), addresses);
  const judged = sinceRecovery(target, sinceClean(recent, thresholds), streak, addresses);
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
function streakOver(streak: Streak, addresses: AddressStates | undefined): Streak {
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
  const { reason, seen } = latest;
  const sinceMs = Math.max(...failing.map((one) => one.sinceMs));
  return { kind: "bad", sinceMs, runLength: latest.runLength, reason, seen };
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

/**
 * The windows after the latest failures that are over. One more failure does not bring them back: it may be of another
 * kind, and they had their verdict and their incident.
 */
function sinceClean(recent: readonly Window[], thresholds: Thresholds): readonly Window[] {
  const inOrder = recent.toSorted((a, b) => a.endMs - b.endMs || a.startMs - b.startMs);
  let first = 0;
  for (const [at, window] of inOrder.entries()) {
    if (flawedOf(window) === 0) continue;
    const before = inOrder.slice(first, at);
    if (isOver(before, thresholds)) first += before.findLastIndex((one) => flawedOf(one) > 0) + 1;
  }
  return first === 0 ? recent : inOrder.slice(first);
}

/** The windows by which a working target is judged. */
interface Judged {
  readonly windows: readonly Window[];
  /**
   * How many of their late answers may be the outage's: its last attempts are still watched when the path works again,
   * and are answered late or by their second SYN. They are no fault of their own.
   */
  readonly lateOfOutage: number;
}

/**
 * The windows after the latest outage. That outage already had its verdict and its incident. Windows seal at the turn
 * (W2), so none mixes the outage with what came after. Where the lookback has several failures beside the outage, all
 * are part of one fault that comes and goes.
 */
function sinceRecovery(
  target: Target,
  recent: readonly Window[],
  streak: Streak,
  addresses: AddressStates | undefined,
): Judged {
  const since = recent.filter(({ startMs }) => startMs >= (addresses?.recoveredAtMs ?? 0));
  const judged = since.length > 0 ? since : recent;
  if (streak.kind !== "good" || streak.outageOrdinal === undefined) return { windows: judged, lateOfOutage: 0 };
  const { outageOrdinal } = streak;
  const isLater = (seen: Remembered | undefined) => seen !== undefined && seen.run.ordinal > outageOrdinal;
  const ended = judged.filter(({ last }) => isLater(last)).toSorted((a, b) => a.startMs - b.startMs);
  const after = ended.filter(({ lastBad }) => lastBad === undefined || isLater(lastBad));
  // The window that the turn sealed, and the one after it.
  const lateOfOutage = Math.min(sumOver(ended.slice(0, 2), flawedGoodOf), watchedMost(target));
  if (failuresBesideOutage(judged) - lateOfOutage > 1) return { windows: judged, lateOfOutage: 0 };
  // One window may hold both the end of the outage and everything after it. It cannot be divided.
  if (after.length === 0) return { windows: judged, lateOfOutage: 0 };
  return { windows: after, lateOfOutage: Math.min(lateOfOutage, sumOver(after, flawedGoodOf)) };
}

/** Failures of their own beside one outage: other bad runs, and answers that were late or took a second SYN. */
function failuresBesideOutage(recent: readonly Window[]): number {
  return badRunCount(recent) - 1 + sumOver(recent, flawedGoodOf);
}

/** How many attempts of a target may be watched at once: each for its threshold and {@link LATE_WATCH_MS}. */
function watchedMost({ timeoutMs, cadenceMs }: Target): number {
  return Math.ceil((timeoutMs + LATE_WATCH_MS) / cadenceMs);
}

function conclude(
  own: readonly Window[],
  judged: Judged,
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
  judged: Judged,
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
  const reason = degradedBy(judged, lookback, thresholds) ?? stillDegradedBy(judged.windows, previous);
  if (reason === undefined || isOver(judged.windows, thresholds) || wasMet(judged.windows, previous)) return met;
  const failing = judged.windows.filter((window) => flawedOf(window) > 0);
  return {
    ...met,
    verdict: "degraded",
    cause: reasonFacts(reason).cause,
    basis: "intermittent",
    reason,
    seen: latestFlawed(judged.windows, (seen) => seen.reason === reason),
    onsetMs: Math.min(...failing.map(({ startMs }) => startMs)),
  };
}

/** Since when the good run is without late answers and lost SYNs, which do not end it, ms since the epoch. */
function flawlessSinceMs({ sinceMs }: Extract<Streak, { kind: "good" }>, { lastBad }: Window): number {
  if (lastBad === undefined || outcomeClassOf(lastBad.reason) !== "good") return sinceMs;
  return Math.max(sinceMs, lastBad.endedAtMs);
}

/**
 * The reason that degrades a target whose streak is good. Unanswered attempts degrade when chance does not explain
 * them. Rejections degrade when they come and go, which takes two runs at least: a single run that has ended is an
 * outage that is over.
 */
function degradedBy({ windows, lateOfOutage }: Judged, lookback: Window, thresholds: Thresholds): Reason | undefined {
  const { lost, late } = lossOf(lookback);
  const synLost = lookback.counts.get("syn-lost") ?? 0;
  const unresolved = lookback.counts.get("dns-timeout") ?? 0;
  const badRuns = badRunCount(windows);
  const ended = conclusiveOf(lookback);
  // Attempts of one run may share one lost DNS query: at most as many queries were lost as there were runs.
  const unanswered = lost + late - lateOfOutage + Math.min(unresolved, badRuns);
  const { toleratedLossRatio, chanceMin, proofRunLength } = thresholds;
  const neverInTime = late + synLost - lateOfOutage >= proofRunLength && flawedOf(lookback) === ended;
  if (neverInTime || binomialTail(unanswered, ended, toleratedLossRatio) < chanceMin) {
    if (unresolved > lost + late) return "dns-timeout";
    if (lost < late) return "late";
    return synLost === lost ? "syn-lost" : "timeout";
  }
  const rejected = endedOf(lookback, "bad") - (lost - synLost) - unresolved;
  return badRuns >= 2 && comesAndGoes(rejected, ended, thresholds) ? mostFrequentRejection(lookback) : undefined;
}

/**
 * The reason of a target that was degraded by it, and still fails at times. Only a clean run or a clean lookback ends
 * that, not a figure that has fallen below the one that began it.
 */
function stillDegradedBy(windows: readonly Window[], previous: PreviousVerdict | undefined): Reason | undefined {
  if (previous?.verdict !== "degraded") return undefined;
  const reason = latestFlawed(windows, () => true)?.reason;
  if (reason === undefined) return undefined;
  const { cause } = reasonFacts(reason);
  return previous.cause === cause || (previous.cause === "loss" && isSilence(reason)) ? reason : undefined;
}

/**
 * Whether the target was met with all of its failures known. Good attempts that leave the lookback raise the ratio of
 * the failures that stay. They are no news.
 */
function wasMet(windows: readonly Window[], previous: PreviousVerdict | undefined): boolean {
  if (previous?.verdict !== "met" || previous.onsetMs === undefined) return false;
  return (latestFlawed(windows, () => true)?.endedAtMs ?? 0) <= previous.onsetMs;
}

function latestFlawed(windows: readonly Window[], isWanted: (seen: Remembered) => boolean): Remembered | undefined {
  const flawed = windows.flatMap(({ lastBad }) => (lastBad !== undefined && isWanted(lastBad) ? [lastBad] : []));
  return flawed.toSorted(compareMoments).at(-1);
}

/** Whether so many attempts have passed since the last failure that the path no longer is what it was. */
function isOver(judged: readonly Window[], { clearedChance }: Thresholds): boolean {
  const { failed, ended, clean } = failingSpan(judged);
  return clean > 0 && cleanRunChance(failed, ended, clean) < clearedChance;
}

function comesAndGoes(rejected: number, ended: number, { rejectedRatio, rejectedMin }: Thresholds): boolean {
  return rejected >= rejectedMin && wilsonInterval(Math.min(rejected, ended), ended)[0] > rejectedRatio;
}

function mostFrequentRejection(window: Window): Reason | undefined {
  const rejections = [...window.counts].filter(([reason]) => outcomeClassOf(reason) === "bad" && !isSilence(reason));
  return rejections.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))[0]?.[0];
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
