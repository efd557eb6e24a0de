/**
 * From samples to windows: one open window for each target.
 *
 * 1. A window seals at its boundary. It also seals at once when the outcome turns, and again when the new run is
 *    confirmed (W2). When a bad run is confirmed, the windows of all targets seal, because what stood beside a fault
 *    shows its cause.
 * 2. Early seals are limited for each target. A seal that is held back loses nothing: its samples stay in the open
 *    window.
 * 3. Samples are followed in the order in which their attempts began. A loss that is known a second later belongs
 *    before the answers that came meanwhile, and does not break their run.
 * 4. Attempts that are silent and still watched are not counted as lost. Where the one before them was watched to its
 *    end and is lost, the run says how many they are, so that an outage shows without waiting for each (M3). On a path
 *    whose answers are late each is waited for.
 * 5. Where a host has several addresses, each has a run of its own. Its turns seal windows, and those of the target
 *    do not.
 * 6. Empty windows are not sealed. Over all sealed windows, `started` adds up to the attempts begun.
 */
import { type Clock, isFlawless, NS_PER_MS, outcomeClassOf, type Sample, type Timer } from "@lifeline/measure";
import {
  ADDRESSES_MAX,
  type AddressRun,
  emptyWindow,
  type FollowedSample,
  followRun,
  lengthWithWatched,
  mergeWindows,
  type Remembered,
  type Run,
  type RunProgress,
  rememberedOf,
  runOf,
  WINDOW_MS,
  type Window,
  watchedWindow,
  windowOf,
} from "@lifeline/window";
import { type Attempt, isWatched, NONE_WATCHED, type Watched, watchedOf } from "./watched-attempts.ts";
import { endLabelMs, firstSpan, labelMs, nextSpan, type WindowSpan } from "./window-boundary.ts";

/** A run of this length confirms a turn: one odd sample is chance, three in a row are not. */
const CONFIRMED_RUN_LENGTH = 3;

/**
 * Most early seals of one target within WINDOW_MS: six turns with their confirmations, so two faults and their ends in
 * a row.
 */
export const EARLY_SEALS_MAX = 12;

/**
 * Most times within WINDOW_MS that the confirmation of a bad run seals the windows of all targets. What stood beside a
 * fault shows its cause (small packets beside large ones, one endpoint beside another) and must not arrive ten seconds
 * after it. Three faults in a row stay separate. Each costs one report of as many windows as a boundary's.
 */
const SEAL_ALL_MAX = 3;

/** How long early seals are gathered into one report, ms: a fault that hits every target at once costs one report. */
export const GATHER_MS = 100;

/** What a {@link WindowAccumulator} needs. */
export interface WindowAccumulatorOptions {
  readonly clock: Clock;
  /** Takes windows that were sealed together, never none, and the counts at that moment. */
  readonly sealed: (windows: readonly Window[], sealedAtMs: number, stats: AccumulatorStats) => void;
}

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

/** Counts since the start. */
export interface AccumulatorStats {
  readonly missedTicks: number;
  readonly begunAttempts: number;
  readonly endedAttempts: number;
  /** Early seals that were held back by {@link EARLY_SEALS_MAX}. */
  readonly suppressedSeals: number;
}

interface Account {
  open: Window;
  run: RunProgress | undefined;
  /** The latest sample that was measured and followed. */
  last: Remembered | undefined;
  /** Whether the latest answer was late. Silence at the threshold then says nothing. */
  isSlow: boolean;
  /** By address that takes turns, the latest last; at most ADDRESSES_MAX. */
  readonly addresses: Map<string, AddressState>;
  /** Attempts in the order they began, from the first that has not ended. The runner bounds how many are in flight. */
  readonly attempts: Attempt[];
  retired: boolean;
  earlySealsNs: number[];
}

/** One of several addresses. */
interface AddressState {
  readonly run: RunProgress;
  readonly last: Remembered;
}

/** Keeps an open window for each target. Its first window opens when it is made. */
export class WindowAccumulator {
  readonly #clock: Clock;
  readonly #sealed: WindowAccumulatorOptions["sealed"];
  readonly #accounts = new Map<string, Account>();
  readonly #stats = { missedTicks: 0, begunAttempts: 0, endedAttempts: 0, suppressedSeals: 0 };
  #span: WindowSpan;
  #gathered: Window[] = [];
  #gatherTimer: Timer | undefined;
  #boundaryTimer: Timer | undefined;
  #sealAllNs: number[] = [];
  #sealsAll = false;
  #stopped = false;

  constructor({ clock, sealed }: WindowAccumulatorOptions) {
    this.#clock = clock;
    this.#sealed = sealed;
    this.#span = firstSpan(clock.wallMs(), clock.monotonicNs());
    this.#armBoundary();
  }

  /** Notes that an attempt began. What it returns is to be passed to {@link ended}. */
  begun(targetId: string): Attempt {
    const account = this.#accountOf(targetId);
    const attempt: Attempt = { sample: undefined, silentAddress: undefined, askedBurst: false };
    account.attempts.push(attempt);
    this.#stats.begunAttempts += 1;
    account.open = { ...account.open, started: account.open.started + 1 };
    return attempt;
  }

  /** Notes ticks that passed without an attempt. */
  missed(targetId: string, ticks: number): void {
    const account = this.#accountOf(targetId);
    this.#stats.missedTicks += ticks;
    account.open = { ...account.open, missedTicks: account.open.missedTicks + ticks };
  }

  /**
   * Notes that an attempt is silent at its threshold and is watched. True when a burst would show sooner whether
   * that is an outage: at the first silence, unless answers are known to be late.
   */
  silent(targetId: string, attempt: Attempt, address: string): boolean {
    const account = this.#accountOf(targetId);
    const isFirst = !account.attempts.some(({ sample, silentAddress }) => !sample && silentAddress !== undefined);
    attempt.silentAddress = address;
    this.#noteWatched(account);
    attempt.askedBurst ||= isFirst && !account.isSlow && account.run?.outcomeClass !== "bad";
    return isFirst && attempt.askedBurst;
  }

  /** Notes that a watched attempt got an answer after all, and goes on. */
  heard(attempt: Attempt): void {
    attempt.silentAddress = undefined;
  }

  /** Takes the sample of an attempt. It is followed once every attempt of the target that began earlier has ended. */
  ended(attempt: Attempt, sample: Sample): Accumulated {
    const account = this.#accountOf(sample.targetId);
    attempt.sample = sample;
    this.#stats.endedAttempts += 1;
    const followed: FollowedSample[] = [];
    let needsConfirmation = false;
    for (let [next] = account.attempts; next?.sample !== undefined; [next] = account.attempts) {
      account.attempts.shift();
      const isFirst = account.run === undefined;
      const one = this.#follow(account, next.sample);
      followed.push(one);
      needsConfirmation ||= !next.askedBurst && (one.turned || (isFirst && one.run.outcomeClass === "bad"));
    }
    return { followed, needsConfirmation };
  }

  /** Drops targets that are not among these, once their windows are sealed and their attempts have ended. */
  retain(targetIds: ReadonlySet<string>): void {
    for (const [targetId, account] of this.#accounts) account.retired = !targetIds.has(targetId);
  }

  /** Counts since the start. */
  stats(): AccumulatorStats {
    return { ...this.#stats };
  }

  /** Seals everything now and stops the timers. An attempt that ends later stays counted as begun only. */
  stop(): void {
    this.#stopped = true;
    this.#boundaryTimer?.cancel();
    const nowMs = labelMs(this.#span, this.#clock.monotonicNs());
    for (const account of this.#accounts.values()) {
      // What has ended counts, though an earlier attempt has not.
      for (const { sample } of account.attempts.splice(0)) if (sample !== undefined) this.#follow(account, sample);
      this.#seal(account, nowMs, nowMs);
    }
    this.#flush();
  }

  #accountOf(targetId: string): Account {
    const known = this.#accounts.get(targetId);
    if (known !== undefined) return known;
    const nowMs = labelMs(this.#span, this.#clock.monotonicNs());
    const open = emptyWindow(targetId, nowMs, nowMs);
    const account: Account = {
      open,
      run: undefined,
      last: undefined,
      isSlow: false,
      addresses: new Map(),
      attempts: [],
      retired: false,
      earlySealsNs: [],
    };
    this.#accounts.set(targetId, account);
    return account;
  }

  #follow(account: Account, sample: Sample): FollowedSample {
    const { reason } = sample.outcome;
    if (isFlawless(reason) || reason === "late") account.isSlow = reason === "late";
    const watched = isWatched(reason) && !account.isSlow ? watchedOf(account.attempts) : NONE_WATCHED;
    const before = account.run;
    const target = withWatched(followRun(before, sample), watched.total);
    const address = this.#followAddress(account, sample, watched);
    const followed = address === undefined ? target : { ...target, addressRun: address.run, turned: address.turned };
    account.run = target.run;
    if (outcomeClassOf(reason) !== "inconclusive") account.last = rememberedOf(target);
    const { startMs } = account.open;
    // `started` is counted when an attempt begins, which may have been in an earlier window.
    account.open = mergeWindows(account.open, { ...windowOf(followed, startMs, startMs), started: 0 });
    const isConfirmed = confirms(before, target) || (address !== undefined && confirms(address.before, address));
    const isBad = followed.run.outcomeClass === "bad";
    if (isConfirmed && isBad) this.#wantSealAll();
    if (followed.turned || (isConfirmed && (address === undefined || isBad))) this.#sealEarly(account);
    return followed;
  }

  /** The run of the sample's address, where several take turns; undefined where there is one. */
  #followAddress(account: Account, sample: Sample, watched: Watched): FollowedAddress | undefined {
    const { address, addresses } = sample.evidence;
    if (address === undefined || addresses === undefined) return undefined;
    const before = account.addresses.get(address)?.run;
    const followed = withWatched(followRun(before, sample), watched.byAddress.get(address) ?? 0);
    account.addresses.delete(address);
    account.addresses.set(address, { run: followed.run, last: { ...rememberedOf(followed), evidence: {} } });
    const [oldest] = account.addresses.keys();
    if (account.addresses.size > ADDRESSES_MAX && oldest !== undefined) account.addresses.delete(oldest);
    return { ...followed, before };
  }

  /** Notes in the open window how many attempts after the last lost one are silent too. */
  #noteWatched(account: Account): void {
    const { last } = account;
    const before = account.run;
    if (last === undefined || before?.outcomeClass !== "bad" || !isWatched(last.reason) || account.isSlow) return;
    const watched = watchedOf(account.attempts);
    if (watched.total <= before.watched) return;
    account.run = { ...before, watched: watched.total };
    account.last = { ...last, run: runOf(account.run) };
    const addresses = new Map<string, AddressRun>();
    for (const [address, known] of account.addresses) {
      const more = watched.byAddress.get(address) ?? 0;
      if (more <= known.run.watched) continue;
      const run = { ...known.run, watched: more };
      const noted = { ...known.last, run: runOf(run) };
      account.addresses.set(address, { run, last: noted });
      addresses.set(address, { last: noted, lastBad: undefined });
    }
    const { targetId, startMs } = account.open;
    account.open = mergeWindows(account.open, watchedWindow(targetId, startMs, account.last, addresses));
    if (!confirms(before, { run: account.run, turned: false })) return;
    this.#wantSealAll();
    this.#sealEarly(account);
  }

  #seal(account: Account, endMs: number, nextStartMs: number): void {
    const { open } = account;
    if (!isEmpty(open)) this.#gathered.push({ ...open, endMs: Math.max(endMs, open.startMs) });
    account.open = emptyWindow(open.targetId, nextStartMs, nextStartMs);
  }

  #sealEarly(account: Account): void {
    if (this.#stopped) return;
    const nowNs = this.#clock.monotonicNs();
    account.earlySealsNs = withinWindow(account.earlySealsNs, nowNs);
    if (account.earlySealsNs.length >= EARLY_SEALS_MAX) {
      this.#stats.suppressedSeals += 1;
      return;
    }
    account.earlySealsNs.push(nowNs);
    const nowMs = labelMs(this.#span, nowNs);
    this.#seal(account, nowMs, nowMs);
    this.#gatherTimer ??= this.#clock.after(GATHER_MS, () => this.#endGathering());
  }

  #wantSealAll(): void {
    const nowNs = this.#clock.monotonicNs();
    this.#sealAllNs = withinWindow(this.#sealAllNs, nowNs);
    if (this.#stopped || this.#sealsAll || this.#sealAllNs.length >= SEAL_ALL_MAX) return;
    this.#sealAllNs.push(nowNs);
    this.#sealsAll = true;
  }

  #endGathering(): void {
    if (this.#sealsAll) {
      const nowMs = labelMs(this.#span, this.#clock.monotonicNs());
      for (const account of this.#accounts.values()) this.#seal(account, nowMs, nowMs);
    }
    this.#sealsAll = false;
    this.#flush();
  }

  #armBoundary(): void {
    const remainingNs = this.#span.boundaryNs - this.#clock.monotonicNs();
    this.#boundaryTimer = this.#clock.after(Math.max(0, Math.ceil(remainingNs / NS_PER_MS)), () => {
      if (this.#clock.monotonicNs() >= this.#span.boundaryNs) this.#sealAtBoundary();
      this.#armBoundary();
    });
  }

  #sealAtBoundary(): void {
    const nowNs = this.#clock.monotonicNs();
    const endMs = endLabelMs(this.#span, nowNs);
    this.#span = nextSpan(this.#clock.wallMs(), nowNs);
    for (const [targetId, account] of this.#accounts) {
      this.#seal(account, endMs, this.#span.startMs);
      if (account.retired && account.attempts.length === 0) this.#accounts.delete(targetId);
    }
    this.#sealsAll = false;
    this.#flush();
  }

  #flush(): void {
    this.#gatherTimer?.cancel();
    this.#gatherTimer = undefined;
    if (this.#gathered.length === 0) return;
    const windows = this.#gathered;
    this.#gathered = [];
    this.#sealed(windows, this.#clock.wallMs(), this.stats());
  }
}

function withinWindow(timesNs: readonly number[], nowNs: number): number[] {
  return timesNs.filter((timeNs) => nowNs - timeNs < WINDOW_MS * NS_PER_MS);
}

function isEmpty(window: Window): boolean {
  return window.started === 0 && window.missedTicks === 0 && window.counts.size === 0 && window.last === undefined;
}

/** A sample at one of several addresses. */
interface FollowedAddress extends FollowedSample {
  readonly before: Run | undefined;
}

function withWatched(followed: FollowedSample, watched: number): FollowedSample {
  return watched === 0 ? followed : { ...followed, run: { ...followed.run, watched } };
}

/**
 * Whether the sample that led from `before` to `after` made a run just long enough. Silence from the start counts too.
 */
function confirms(before: Run | undefined, { run, turned }: Pick<FollowedSample, "run" | "turned">): boolean {
  const was = before === undefined || turned ? 0 : lengthWithWatched(before);
  return was < CONFIRMED_RUN_LENGTH && lengthWithWatched(run) >= CONFIRMED_RUN_LENGTH;
}
