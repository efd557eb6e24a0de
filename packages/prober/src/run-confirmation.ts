/** When a run is long enough to be more than chance. */
import { type FollowedSample, lengthWithWatched, type Run } from "@lifeline/window";

/** A run of this length confirms a turn: one odd sample is chance, three in a row are not. */
const CONFIRMED_RUN_LENGTH = 3;

/**
 * Whether the sample that led from `before` to `after` made a run just long enough. Silence from the start counts too.
 */
export function confirms(before: Run | undefined, after: Pick<FollowedSample, "run" | "turned">): boolean {
  const was = before === undefined || after.turned ? 0 : lengthWithWatched(before);
  return was < CONFIRMED_RUN_LENGTH && lengthWithWatched(after.run) >= CONFIRMED_RUN_LENGTH;
}

/** The sample with the number of attempts that are watched after it. */
export function withWatched(followed: FollowedSample, watched: number): FollowedSample {
  return watched === 0 ? followed : { ...followed, run: { ...followed.run, watched } };
}
