/**
 * Writes values under keys, the newest last.
 *
 * 1. One write of a key is under way at a time. What changes meanwhile waits for it, and of two values the newer one
 *    stays.
 * 2. What could not be written is written with the next flush, unless there is a newer value by then.
 */
import type { NoNode } from "../store/record.ts";

/** Writes one value. Rejects when the store failed. */
type SaveValue<V> = (value: V, key: string) => Promise<"saved" | NoNode>;

/** Values that wait for the store. */
export class KeyedWriter<V> {
  readonly #save: SaveValue<V>;
  readonly #onOrphan: () => void;
  readonly #waiting = new Map<string, V>();
  readonly #underWay = new Map<string, Promise<void>>();

  /** `onOrphan`: the store does not know the node; the value is dropped. */
  constructor(save: SaveValue<V>, onOrphan: () => void) {
    this.#save = save;
    this.#onOrphan = onOrphan;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Replaces the key's value. */
  set(key: string, value: V): void {
    this.#waiting.set(key, value);
  }

  /** Drops the value that has waited longest. */
  dropOldest(): void {
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined) this.#waiting.delete(oldest);
  }

  /** Writes what waits; resolves when that, and what was under way before, has been tried. */
  async flush(): Promise<void> {
    const keys = new Set([...this.#underWay.keys(), ...this.#waiting.keys()]);
    await Promise.all([...keys].map((key) => this.#begin(key)));
  }

  /** Writes what waits under the key. A write of it that is under way does so afterwards. */
  #begin(key: string): Promise<void> | undefined {
    const value = this.#waiting.get(key);
    if (value === undefined || this.#underWay.has(key)) return this.#underWay.get(key);
    const writing = this.#write(key, value);
    this.#underWay.set(key, writing);
    return writing;
  }

  async #write(key: string, value: V): Promise<void> {
    this.#waiting.delete(key);
    const result = await this.#save(value, key).catch(() => "failed" as const);
    this.#underWay.delete(key);
    if (result === "no-node") this.#onOrphan();
    // The store counts the failure itself.
    if (result === "failed" && !this.#waiting.has(key)) this.#waiting.set(key, value);
    if (result !== "failed") await this.#begin(key);
  }
}
