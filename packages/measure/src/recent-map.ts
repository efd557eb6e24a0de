/** A map of bounded size that keeps the entries set most recently (S2). */
export class RecentMap<V> {
  readonly #sizeMax: number;
  /** The entry set longest ago first. */
  readonly #entries = new Map<string, V>();

  /** `sizeMax`: most entries, at least 1. */
  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** Sets the entry. Where there is no room, the one that was set longest ago is dropped. */
  set(key: string, value: V): void {
    this.#entries.delete(key);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= this.#sizeMax && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, value);
  }
}
