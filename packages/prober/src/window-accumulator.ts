/**
 * From samples to windows: one open window for each target.
 *
 * 1. A window seals at its boundary. It also seals at once when the outcome turns, and again when the new run is
 *    confirmed (W2). When a bad run is confirmed, the windows of all targets seal, because what stood beside a fault
 *    shows its cause.
 * 2. Early seals are limited for each target. A seal that is held back loses nothing: its samples stay in the open
 *    window.
 * 3. Empty windows are not sealed. Over all sealed windows, `started` adds up to the attempts begun.
 */
import type { Clock, Sample } from "@lifeline/measure";
import type { Window } from "@lifeline/window";
import { type Accumulated, TargetAccount } from "./target-account.ts";
import type { Attempt } from "./watched-attempts.ts";
import { WindowSealer } from "./window-sealer.ts";

/** What a {@link WindowAccumulator} needs. */
export interface WindowAccumulatorOptions {
  readonly clock: Clock;
  /** Takes windows that were sealed together, never none, and the counts at that moment. */
  readonly sealed: (windows: readonly Window[], sealedAtMs: number, stats: AccumulatorStats) => void;
}

/** Counts since the start. */
export interface AccumulatorStats {
  readonly missedTicks: number;
  readonly begunAttempts: number;
  readonly endedAttempts: number;
  /** Early seals that were held back by EARLY_SEALS_MAX. */
  readonly suppressedSeals: number;
}

/** Keeps an open window for each target. Its first window opens when it is made. */
export class WindowAccumulator {
  readonly #clock: Clock;
  readonly #sealer: WindowSealer;
  readonly #accounts = new Map<string, TargetAccount>();
  readonly #stats = { missedTicks: 0, begunAttempts: 0, endedAttempts: 0, suppressedSeals: 0 };
  /** Undefined: all targets are kept. */
  #retained: ReadonlySet<string> | undefined;
  #stopped = false;

  constructor({ clock, sealed }: WindowAccumulatorOptions) {
    this.#clock = clock;
    this.#sealer = new WindowSealer({
      clock,
      sealAll: (endMs, nextStartMs) => this.#sealAll(endMs, nextStartMs),
      sealed: (windows, sealedAtMs) => sealed(windows, sealedAtMs, this.stats()),
    });
  }

  /** Notes that an attempt began. What it returns is to be passed to {@link ended}. */
  begun(targetId: string): Attempt {
    this.#stats.begunAttempts += 1;
    return this.#accountOf(targetId).begun();
  }

  /** Notes ticks that passed without an attempt. */
  missed(targetId: string, ticks: number): void {
    this.#stats.missedTicks += ticks;
    this.#accountOf(targetId).missed(ticks);
  }

  /**
   * Notes that an attempt is silent at its threshold and is watched. True when a burst would show sooner whether
   * that is an outage: at the first silence, unless answers are known to be late.
   */
  silent(targetId: string, attempt: Attempt, address: string): boolean {
    return this.#accountOf(targetId).silent(attempt, address);
  }

  /** Notes that a watched attempt got an answer after all, and goes on. */
  heard(attempt: Attempt): void {
    attempt.silentAddress = undefined;
  }

  /** Takes the sample of an attempt. It is followed once every attempt of the target that began earlier has ended. */
  ended(attempt: Attempt, sample: Sample): Accumulated {
    this.#stats.endedAttempts += 1;
    return this.#accountOf(sample.targetId).ended(attempt, sample);
  }

  /** Drops targets that are not among these, once their windows are sealed and their attempts have ended. */
  retain(targetIds: ReadonlySet<string>): void {
    this.#retained = targetIds;
  }

  /** Counts since the start. */
  stats(): AccumulatorStats {
    return { ...this.#stats };
  }

  /** Seals everything now and stops the timers. An attempt that ends later stays counted as begun only. */
  stop(): void {
    this.#stopped = true;
    for (const account of this.#accounts.values()) account.endNow();
    this.#sealer.stop();
  }

  #accountOf(targetId: string): TargetAccount {
    const known = this.#accounts.get(targetId);
    if (known !== undefined) return known;
    const account = new TargetAccount(targetId, this.#sealer.nowMs(), (turned, scope) => this.#onTurn(turned, scope));
    this.#accounts.set(targetId, account);
    return account;
  }

  #onTurn(account: TargetAccount, scope: "target" | "all"): void {
    if (this.#stopped) return;
    if (scope === "all") this.#sealer.requestAll();
    if (account.earlySeals.take(this.#clock.monotonicNs())) {
      this.#sealer.sealEarly((endMs, nextStartMs) => account.seal(endMs, nextStartMs));
    } else {
      this.#stats.suppressedSeals += 1;
    }
  }

  #sealAll(endMs: number, nextStartMs: number): Window[] {
    const windows: Window[] = [];
    for (const [targetId, account] of this.#accounts) {
      const window = account.seal(endMs, nextStartMs);
      if (window !== undefined) windows.push(window);
      if (this.#retained?.has(targetId) === false && !account.isBusy()) this.#accounts.delete(targetId);
    }
    return windows;
  }
}
