/** How long a run takes: before it starts by figures of earlier runs, later by its own rounds. Pure. */

/** What a run does. */
export interface RunSize {
  readonly rounds: number;
  readonly enrolments: number;
}

/** Seconds of one round and of one enrolment. */
export interface Pace {
  readonly roundSeconds: number;
  readonly enrolmentSeconds: number;
}

/** Rounds for each enrolment. */
const ROUNDS_PER_ENROLMENT = 5;

/** Rounds after which a run's own pace counts: kills and full disks take longer than cuts, so a few say little. */
const OWN_PACE_MIN_ROUNDS = 5;

/** What `rounds` rounds come with. */
export function runSizeOf(rounds: number): RunSize {
  return { rounds, enrolments: Math.ceil(rounds / ROUNDS_PER_ENROLMENT) };
}

/**
 * Seconds that are left after `done` in `elapsedSeconds`. While rounds are played, enrolments are expected to be as
 * slow as these.
 */
export function secondsLeft(size: RunSize, done: RunSize, elapsedSeconds: number, usual: Pace): number {
  const expected = secondsOf(done, usual);
  const slowness = done.rounds < OWN_PACE_MIN_ROUNDS ? 1 : elapsedSeconds / expected;
  const left = { rounds: size.rounds - done.rounds, enrolments: size.enrolments - done.enrolments };
  return secondsOf(left, usual) * slowness;
}

/** Seconds that this takes at that pace. */
export function secondsOf({ rounds, enrolments }: RunSize, { roundSeconds, enrolmentSeconds }: Pace): number {
  return rounds * roundSeconds + enrolments * enrolmentSeconds;
}

/** A duration as text: seconds below two minutes, minutes below two hours. */
export function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
