/**
 * What each address of a host with several last showed. A window keeps the greatest samples under the order of samples,
 * never sums. So the bound on addresses drops the same ones in any order and grouping of merges (W1).
 */
import { compareMoments, latestSample, worseSample } from "./moment-order.ts";
import { type FollowedSample, runOf } from "./outcome-run.ts";
import { ifFlawed, type Remembered } from "./remembered.ts";

/** Most addresses of one window: the eight that take turns, and as many that they replaced meanwhile. */
export const ADDRESSES_MAX = 16;

/** The latest sample of one address, and the latest one that was not good; its runs are those of the address. */
export interface AddressRun {
  readonly last: Remembered;
  readonly lastBad: Remembered | undefined;
}

/** By address, sorted. Empty for a host with one address. */
export type AddressRuns = ReadonlyMap<string, AddressRun>;

/** No address takes turns. */
export const NO_ADDRESSES: AddressRuns = new Map();

/** The record of one sample at an address that takes turns; none without one. */
export function addressRunsOf({ sample, addressRun }: FollowedSample): AddressRuns {
  const { address, code } = sample.evidence;
  if (addressRun === undefined || address === undefined) return NO_ADDRESSES;
  const { reason, phase } = sample.outcome;
  // The evidence of the target's own last sample has the rest.
  const evidence = code === undefined ? {} : { code };
  const last: Remembered = { endedAtMs: sample.endedAtMs, reason, phase, run: runOf(addressRun), evidence };
  return new Map([[address, { last, lastBad: ifFlawed(last) }]]);
}

/** Merges two records: for each address the later samples, and at most {@link ADDRESSES_MAX} addresses. */
export function mergeAddressRuns(a: AddressRuns, b: AddressRuns): AddressRuns {
  if (b.size === 0) return a;
  if (a.size === 0) return b;
  const merged = new Map(a);
  for (const [address, run] of b) merged.set(address, laterOf(merged.get(address), run));
  const kept = [...merged].sort(latestFirst).slice(0, ADDRESSES_MAX);
  return new Map(kept.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function laterOf(a: AddressRun | undefined, b: AddressRun): AddressRun {
  if (a === undefined) return b;
  return { last: latestSample(a.last, b.last) ?? a.last, lastBad: worseSample(a.lastBad, b.lastBad) };
}

function latestFirst([one, a]: [string, AddressRun], [other, b]: [string, AddressRun]): number {
  return compareMoments(b.last, a.last) || (one < other ? -1 : 1);
}
