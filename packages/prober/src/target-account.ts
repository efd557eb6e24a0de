/**
 * The open window of one target, and the run that its samples make.
 *
 * 1. Samples are followed in the order in which their attempts began. A loss that is known a second later belongs
 *    before the answers that came meanwhile, and does not break their run.
 * 2. Attempts that are silent and still watched are not counted as lost. Where the one before them was watched to its
 *    end and is lost, the run says how many they are, so that an outage shows without waiting for each (M3). On a path
 *    whose answers are late each is waited for.
 * 3. Where a host has several addresses, each has a run of its own. Its turns seal windows, and those of the target
 *    do not.
 */
import { isFlawless, outcomeClassOf, type Sample } from "@lifeline/measure";
import {
  emptyWindow,
  type FollowedSample,
  followRun,
  mergeWindows,
  type Remembered,
  type RunProgress,
  rememberedOf,
  runOf,
  type Window,
  watchedWindow,
  windowOf,
} from "@lifeline/window";
import { FollowedAddresses } from "./followed-addresses.ts";
import { confirms, withWatched } from "./run-confirmation.ts";
import { SealLimit } from "./seal-limit.ts";
import { type Attempt, isWatched, NONE_WATCHED, watchedOf } from "./watched-attempts.ts";

/**
 * Most early seals of one target within WINDOW_MS: six turns with their confirmations, so two faults and their ends in
 * a row.
 */
export const EARLY_SEALS_MAX = 12;

/** What became of a sample. */
export interface Accumulated {
  /**
   * The samples that could be followed now: none while an earlier attempt is in flight, else this one and those that
   * waited for it.
   */
  readonly followed: readonly FollowedSample[];
  /** True when a run has just turned, or when the very first sample is bad: more samples soon would confirm it. */
  readonly needsConfirmation: boolean;
}

/**
 * Called when the account's window should seal. `all`: a bad run is confirmed, and the windows of all targets should
 * seal with it.
 */
export type OnTurn = (account: TargetAccount, scope: "target" | "all") => void;

/** Follows one target. Its first window opens when it is made. */
export class TargetAccount {
  /** Bounds its early seals. */
  readonly earlySeals = new SealLimit(EARLY_SEALS_MAX);
  readonly #onTurn: OnTurn;
  readonly #addresses = new FollowedAddresses();
  /** Attempts in the order they began, from the first that has not ended. The runner bounds how many are in flight. */
  readonly #attempts: Attempt[] = [];
  #open: Window;
  #run: RunProgress | undefined;
  /** The latest sample that was measured and followed. */
  #last: Remembered | undefined;
  /** Whether the latest answer was late. Silence at the threshold then says nothing. */
  #isSlow = false;

  /** `startMs`: start of its first window, ms since the epoch. */
  constructor(targetId: string, startMs: number, onTurn: OnTurn) {
    this.#open = emptyWindow(targetId, startMs, startMs);
    this.#onTurn = onTurn;
  }

  /** Whether an attempt has not ended. */
  isBusy(): boolean {
    return this.#attempts.length > 0;
  }

  /** Notes that an attempt began. */
  begun(): Attempt {
    const attempt: Attempt = { sample: undefined, silentAddress: undefined, askedBurst: false };
    this.#attempts.push(attempt);
    this.#open = { ...this.#open, started: this.#open.started + 1 };
    return attempt;
  }

  /** Notes ticks that passed without an attempt. */
  missed(ticks: number): void {
    this.#open = { ...this.#open, missedTicks: this.#open.missedTicks + ticks };
  }

  /** Notes that an attempt is silent and is watched. Whether a burst would show sooner whether that is an outage. */
  silent(attempt: Attempt, address: string): boolean {
    const isFirst = !this.#attempts.some(({ sample, silentAddress }) => !sample && silentAddress !== undefined);
    attempt.silentAddress = address;
    this.#noteWatched();
    attempt.askedBurst ||= isFirst && !this.#isSlow && this.#run?.outcomeClass !== "bad";
    return isFirst && attempt.askedBurst;
  }

  /** Takes the sample of an attempt. It is followed once every attempt that began earlier has ended. */
  ended(attempt: Attempt, sample: Sample): Accumulated {
    attempt.sample = sample;
    const followed: FollowedSample[] = [];
    let needsConfirmation = false;
    for (let [next] = this.#attempts; next?.sample !== undefined; [next] = this.#attempts) {
      this.#attempts.shift();
      const isFirst = this.#run === undefined;
      const one = this.#follow(next.sample);
      followed.push(one);
      needsConfirmation ||= !next.askedBurst && (one.turned || (isFirst && one.run.outcomeClass === "bad"));
    }
    return { followed, needsConfirmation };
  }

  /** Follows what has ended, though an earlier attempt has not. No attempt that is in flight is followed after it. */
  endNow(): void {
    for (const { sample } of this.#attempts.splice(0)) if (sample !== undefined) this.#follow(sample);
  }

  /** Opens the next window. Returns the one that was open, unless nothing happened in it. */
  seal(endMs: number, nextStartMs: number): Window | undefined {
    const open = this.#open;
    this.#open = emptyWindow(open.targetId, nextStartMs, nextStartMs);
    return isEmpty(open) ? undefined : { ...open, endMs: Math.max(endMs, open.startMs) };
  }

  #follow(sample: Sample): FollowedSample {
    const { reason } = sample.outcome;
    if (isFlawless(reason) || reason === "late") this.#isSlow = reason === "late";
    const watched = isWatched(reason) && !this.#isSlow ? watchedOf(this.#attempts) : NONE_WATCHED;
    const before = this.#run;
    const target = withWatched(followRun(before, sample), watched.total);
    const address = this.#addresses.follow(sample, watched.byAddress);
    const followed = address === undefined ? target : { ...target, addressRun: address.run, turned: address.turned };
    this.#run = target.run;
    if (outcomeClassOf(reason) !== "inconclusive") this.#last = rememberedOf(target);
    const { startMs } = this.#open;
    // `started` is counted when an attempt begins, which may have been in an earlier window.
    this.#open = mergeWindows(this.#open, { ...windowOf(followed, startMs, startMs), started: 0 });
    const isConfirmed = confirms(before, target) || address?.isConfirmed === true;
    const isBad = followed.run.outcomeClass === "bad";
    if (isConfirmed && isBad) this.#onTurn(this, "all");
    else if (followed.turned || (isConfirmed && address === undefined)) this.#onTurn(this, "target");
    return followed;
  }

  /** Notes in the open window how many attempts after the last lost one are silent too. */
  #noteWatched(): void {
    const last = this.#last;
    const before = this.#run;
    if (last === undefined || before?.outcomeClass !== "bad" || !isWatched(last.reason) || this.#isSlow) return;
    const watched = watchedOf(this.#attempts);
    if (watched.total <= before.watched) return;
    const run = { ...before, watched: watched.total };
    this.#run = run;
    this.#last = { ...last, run: runOf(run) };
    const addresses = this.#addresses.noteWatched(watched.byAddress);
    const { targetId, startMs } = this.#open;
    this.#open = mergeWindows(this.#open, watchedWindow(targetId, startMs, this.#last, addresses));
    if (confirms(before, { run, turned: false })) this.#onTurn(this, "all");
  }
}

function isEmpty(window: Window): boolean {
  return window.started === 0 && window.missedTicks === 0 && window.counts.size === 0 && window.last === undefined;
}
