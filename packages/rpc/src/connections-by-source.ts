/** A set of connections that is bounded in all and by source. */
import { networkOf } from "./source.ts";

/** Most connections at once. */
export interface ConnectionBounds {
  readonly max: number;
  readonly perSourceMax: number;
}

/**
 * A set of connections. When it is full, one connection of the source with most connections, in the network with most
 * connections, is evicted: the source that fills the set pays for it. `victimOf` chooses among the connections of a
 * source, oldest first; it may choose the newest.
 */
export class ConnectionsBySource<T extends { readonly source: string }> {
  readonly #bounds: ConnectionBounds;
  readonly #victimOf: (ofSource: ReadonlySet<T>) => T;
  readonly #bySource = new Map<string, Set<T>>();
  readonly #countByNetwork = new Map<string, number>();
  #size = 0;

  constructor(bounds: ConnectionBounds, victimOf: (ofSource: ReadonlySet<T>) => T) {
    this.#bounds = bounds;
    this.#victimOf = victimOf;
  }

  /** Adds a connection. Returns the one that was evicted for it; undefined: there was room. */
  add(connection: T): T | undefined {
    const { source } = connection;
    const ofSource = this.#bySource.get(source) ?? new Set();
    this.#bySource.set(source, ofSource.add(connection));
    this.#count(source, 1);
    const { max, perSourceMax } = this.#bounds;
    const overflowing = ofSource.size > perSourceMax ? ofSource : this.#size > max ? this.#fullest() : undefined;
    if (overflowing === undefined) return undefined;
    const victim = this.#victimOf(overflowing);
    this.delete(victim);
    return victim;
  }

  /** Removes a connection. False: it was not in the set. */
  delete(connection: T): boolean {
    const ofSource = this.#bySource.get(connection.source);
    if (ofSource === undefined || !ofSource.delete(connection)) return false;
    this.#count(connection.source, -1);
    if (ofSource.size === 0) this.#bySource.delete(connection.source);
    return true;
  }

  has(connection: T): boolean {
    return this.#bySource.get(connection.source)?.has(connection) ?? false;
  }

  get size(): number {
    return this.#size;
  }

  #count(source: string, change: 1 | -1): void {
    const network = networkOf(source);
    const count = (this.#countByNetwork.get(network) ?? 0) + change;
    if (count === 0) this.#countByNetwork.delete(network);
    else this.#countByNetwork.set(network, count);
    this.#size += change;
  }

  #fullest(): ReadonlySet<T> | undefined {
    let fullestNetwork = "";
    let most = 0;
    for (const [network, count] of this.#countByNetwork) if (count > most) [most, fullestNetwork] = [count, network];
    let fullest: ReadonlySet<T> | undefined;
    for (const [source, ofSource] of this.#bySource) {
      if (ofSource.size > (fullest?.size ?? 0) && networkOf(source) === fullestNetwork) fullest = ofSource;
    }
    return fullest;
  }
}

/** The oldest connection. */
export function oldestOf<T>(connections: ReadonlySet<T>): T {
  const [oldest] = connections;
  if (oldest === undefined) throw new Error("a source has no connection");
  return oldest;
}
