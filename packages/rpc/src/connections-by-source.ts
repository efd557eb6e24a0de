/** Connections that are bounded in number, in all and by source. */
import { networkOf } from "./source.ts";

/** Most of them at once. */
export interface ConnectionBounds {
  readonly max: number;
  readonly perSourceMax: number;
}

/**
 * A set of connections. Where there is no room for one more, one of the network that has most is left out, of its source that has most, so
 * that whoever fills the set pays for it.
 * `victimOf` chooses among those of a source, which are in the order in which they came; it may choose the newest.
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

  /** Adds one. Returns the one that had to go for it, which is in the set no more; undefined: there was room. */
  add(connection: T): T | undefined {
    const { source } = connection;
    const ofSource = this.#bySource.get(source) ?? new Set();
    this.#bySource.set(source, ofSource.add(connection));
    this.#count(source, 1);
    const { max, perSourceMax } = this.#bounds;
    const overfull = ofSource.size > perSourceMax ? ofSource : this.#size > max ? this.#fullest() : undefined;
    if (overfull === undefined) return undefined;
    const victim = this.#victimOf(overfull);
    this.delete(victim);
    return victim;
  }

  /** Whether it was there. */
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

/** The one that has been there longest. */
export function oldestOf<T>(connections: ReadonlySet<T>): T {
  const [oldest] = connections;
  if (oldest === undefined) throw new Error("a source without a connection");
  return oldest;
}
