/** Wakes all that wait for a change. */

/** A change wakes those that wait at that time; later waits are for the next change. */
export class Notifier {
  /** Replaced at each change: one promise for ever would keep every reaction to it in memory. */
  #next = Promise.withResolvers<void>();
  readonly #followed = new WeakSet<Promise<void>>();

  /** Resolves at the next change. */
  get changed(): Promise<void> {
    return this.#next.promise;
  }

  /** Something has changed. */
  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /**
   * Resolves at the next change, of which `event` is one. All that wait for the same event share one reaction to it.
   */
  changedOr(event: Promise<void>): Promise<void> {
    if (!this.#followed.has(event)) {
      this.#followed.add(event);
      void event.then(() => this.notify());
    }
    return this.changed;
  }
}
