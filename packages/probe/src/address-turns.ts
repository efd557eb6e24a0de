/**
 * Which of a host's addresses the next attempt goes to: they take turns, one an attempt (M1).
 *
 * 1. The addresses come sorted, so the order of the resolver's answers does not matter.
 * 2. When the set changes, the turn goes on after the address that was used last.
 * 3. Bounded (S2): the least recently used target is forgotten, and starts again with its first address.
 */
import { RecentMap } from "@lifeline/measure";
import { sortedAddresses } from "./address.ts";

/** Most addresses of one family that take turns. With more, each would be tried too rarely to show that it is dead. */
export const TURNS_MAX = 8;

/** Most targets that are remembered: twice those of a plan. */
const TARGETS_MAX = 1_024;

/** Whose turn it is, by target. */
export class AddressTurns {
  /** The address used last, by target. */
  readonly #used = new RecentMap<string>(TARGETS_MAX);

  /** The next address of `addresses`, which are sorted and not empty. */
  next(targetId: string, addresses: readonly [string, ...string[]]): string {
    if (addresses.length === 1) return addresses[0];
    const next = after(addresses, this.#used.get(targetId));
    this.#used.set(targetId, next);
    return next;
  }
}

function after(addresses: readonly [string, ...string[]], used: string | undefined): string {
  if (used === undefined) return addresses[0];
  const place = sortedAddresses([...addresses, used]).indexOf(used);
  const next = addresses.includes(used) ? place + 1 : place;
  return addresses[next % addresses.length] ?? addresses[0];
}
