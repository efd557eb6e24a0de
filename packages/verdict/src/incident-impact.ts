/**
 * What an incident cost over its whole time: attempts, failures, and the worst minute.
 *
 * 1. Each window counts once, in the order of their ends: those up to the end of the last one counted are left out.
 * 2. A window that began before the incident counts with its failures alone.
 * 3. Attempts after the latest failure count only once another failure follows: those after the end are no part of it.
 */
import type { Window } from "@lifeline/window";
import { conclusiveOf, flawedOf } from "./attempt-counts.ts";
import { timeOfDay } from "./phrase.ts";

const MINUTE_MS = 60_000;

/** Attempts that ended, and how many of them did not end as they should. */
interface AttemptCount {
  readonly attempts: number;
  readonly failures: number;
}

/** The attempts of one minute of wall time. */
export interface MinuteCount extends AttemptCount {
  /** Wall time, ms since the epoch, at which the minute begins. */
  readonly startMs: number;
}

/** The counts of an incident. */
export interface IncidentImpact extends AttemptCount {
  /** The minute with the most failures, the first of equal ones; undefined: no failure was counted. */
  readonly worstMinute: MinuteCount | undefined;
  /** The minute that is being counted. */
  readonly minute: MinuteCount;
  /** Attempts since the latest failure. */
  readonly trailing: number;
  /** Windows that ended up to then are counted, ms since the epoch. */
  readonly countedToMs: number;
}

/** Nothing is counted. */
export const NO_IMPACT: IncidentImpact = {
  attempts: 0,
  failures: 0,
  worstMinute: undefined,
  minute: { startMs: 0, attempts: 0, failures: 0 },
  trailing: 0,
  countedToMs: 0,
};

/** The impact with those windows of the incident's target, in any order. */
export function withWindows(impact: IncidentImpact, windows: readonly Window[], startedAtMs: number): IncidentImpact {
  const isNew = ({ endMs }: Window) => endMs > startedAtMs && endMs > impact.countedToMs;
  const inOrder = windows.filter(isNew).sort((a, b) => a.endMs - b.endMs);
  return inOrder.reduce((counted, window) => withWindow(counted, window, startedAtMs), impact);
}

function withWindow(impact: IncidentImpact, window: Window, startedAtMs: number): IncidentImpact {
  const failures = flawedOf(window);
  const ended = conclusiveOf(window);
  const attempts = window.startMs < startedAtMs ? failures : ended;
  const { endMs: countedToMs } = window;
  const minute = minuteWith(impact.minute, Math.floor(countedToMs / MINUTE_MS) * MINUTE_MS, { attempts, failures });
  if (failures === 0) return { ...impact, minute, trailing: impact.trailing + attempts, countedToMs };
  return {
    attempts: impact.attempts + impact.trailing + attempts,
    failures: impact.failures + failures,
    worstMinute: worseOf(impact.worstMinute, minute),
    minute,
    trailing: 0,
    countedToMs,
  };
}

function minuteWith(minute: MinuteCount, startMs: number, { attempts, failures }: AttemptCount): MinuteCount {
  if (minute.startMs !== startMs) return { startMs, attempts, failures };
  return { startMs, attempts: minute.attempts + attempts, failures: minute.failures + failures };
}

function worseOf(worst: MinuteCount | undefined, minute: MinuteCount): MinuteCount {
  if (worst === undefined || worst.startMs === minute.startMs) return minute;
  return minute.failures > worst.failures ? minute : worst;
}

/** One sentence: how long it lasted, how much failed, and when most did; empty where nothing was counted. */
export function impactPhrase({ attempts, failures, worstMinute }: IncidentImpact, lastedMs: number): string {
  if (worstMinute === undefined) return "";
  const { startMs, ...worst } = worstMinute;
  const worstPart = `${worst.failures} of ${worst.attempts} in the minute from ${timeOfDay(startMs)}`;
  // Whole seconds, as ages are shown.
  const lastedS = Math.floor(lastedMs / 1_000);
  return `Over its ${lastedS} s, ${failures} of ${attempts} attempts failed; the worst minute: ${worstPart}. `;
}
