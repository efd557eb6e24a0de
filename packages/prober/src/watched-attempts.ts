/** Attempts that are silent at their loss threshold and are watched for a late answer. */
import { outcomeClassOf, type Reason, type Sample } from "@lifeline/measure";

/** An attempt that has begun. */
export interface Attempt {
  /** Its sample, once it has ended. */
  sample: Sample | undefined;
  /** The address that is silent while the attempt is watched; undefined: not watched. */
  silentAddress: string | undefined;
  /** Whether its silence has asked for a burst. */
  askedBurst: boolean;
}

/** Attempts that are silent and still watched, in all and by address. */
export interface Watched {
  readonly total: number;
  readonly byAddress: ReadonlyMap<string, number>;
}

/** None is watched. */
export const NONE_WATCHED: Watched = { total: 0, byAddress: new Map() };

/**
 * Attempts from the first one that have been silent in a row. One that ended as lost counts, although an earlier one is
 * still watched; one that was not measured neither counts nor ends the row (M3).
 */
export function watchedOf(attempts: readonly Attempt[]): Watched {
  const byAddress = new Map<string, number>();
  let total = 0;
  for (const { sample, silentAddress } of attempts) {
    const reason = sample?.outcome.reason;
    if (reason !== undefined && outcomeClassOf(reason) === "inconclusive") continue;
    const isSilent = reason === undefined ? silentAddress !== undefined : isWatched(reason);
    if (!isSilent) break;
    total += 1;
    const address = silentAddress ?? sample?.evidence.address;
    if (address !== undefined) byAddress.set(address, (byAddress.get(address) ?? 0) + 1);
  }
  return { total, byAddress };
}

/** Whether nothing came back to the attempt, though it was watched. */
export function isWatched(reason: Reason): boolean {
  return reason === "timeout" || reason === "tunnel-one-way" || reason === "handshake-timeout";
}
