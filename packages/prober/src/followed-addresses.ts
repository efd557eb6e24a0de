/** The runs of a host's addresses that take turns, at most ADDRESSES_MAX (S2). */
import type { Sample } from "@lifeline/measure";
import {
  ADDRESSES_MAX,
  type AddressRun,
  type FollowedSample,
  followRun,
  type Remembered,
  type RunProgress,
  rememberedOf,
  runOf,
} from "@lifeline/window";
import { confirms, withWatched } from "./run-confirmation.ts";

interface AddressState {
  readonly run: RunProgress;
  readonly last: Remembered;
}

/** A sample at one of several addresses. */
export interface FollowedAddress extends FollowedSample {
  /** Whether its run is now just long enough to be more than chance. */
  readonly isConfirmed: boolean;
}

/** Keeps a run for each address. Starts without addresses. */
export class FollowedAddresses {
  /** The address followed last is the last. */
  readonly #states = new Map<string, AddressState>();

  /**
   * The run of the sample's address; undefined where the host has one alone. `watched` are silent attempts after it,
   * by address.
   */
  follow(sample: Sample, watched: ReadonlyMap<string, number>): FollowedAddress | undefined {
    const { address, addresses } = sample.evidence;
    if (address === undefined || addresses === undefined) return undefined;
    const before = this.#states.get(address)?.run;
    const followed = withWatched(followRun(before, sample), watched.get(address) ?? 0);
    this.#states.delete(address);
    this.#states.set(address, { run: followed.run, last: { ...rememberedOf(followed), evidence: {} } });
    const [oldest] = this.#states.keys();
    if (this.#states.size > ADDRESSES_MAX && oldest !== undefined) this.#states.delete(oldest);
    return { ...followed, isConfirmed: confirms(before, followed) };
  }

  /** Notes how many attempts after the last one are silent, by address. Returns the addresses where they are more. */
  noteWatched(watched: ReadonlyMap<string, number>): Map<string, AddressRun> {
    const noted = new Map<string, AddressRun>();
    for (const [address, known] of this.#states) {
      const more = watched.get(address) ?? 0;
      if (more <= known.run.watched) continue;
      const run = { ...known.run, watched: more };
      const last = { ...known.last, run: runOf(run) };
      this.#states.set(address, { run, last });
      noted.set(address, { last, lastBad: undefined });
    }
    return noted;
  }
}
