/**
 * From samples to windows: one open window for each target.
 *
 * 1. A window seals at its boundary; or at once when the outcome turned, and again when the new run is confirmed (W2); with a bad run that
 *    is confirmed every target's window seals, for what stood beside a fault tells its cause.
 * 2. Early seals are limited for each target; what is held back stays in the open window and loses nothing.
 * 3. Samples are followed in the order in which their attempts began: a loss that is told a second late belongs before the
 *    answers that came meanwhile, and breaks no run of theirs.
 * 4. Windows in which nothing happened are not sent. Over all windows sent, `started` adds up to the attempts begun.
 */
import { type Clock, NS_PER_MS, type Sample, type Timer } from "@lifeline/measure";
import {
  emptyWindow,
  type FollowedSample,
  followRun,
  mergeWindows,
  type Run,
  WINDOW_MS,
  type Window,
  windowOf,
} from "@lifeline/window";
import { endLabelMs, labelMs, nextStretch, openStretch } from "./boundary.ts";
import { boundedEvidence } from "./evidence.ts";

/** A run of this length confirms a turn: one odd sample is chance, three in a row are not. */
export const CONFIRMED_RUN_LENGTH = 3;

/**
 * Most early seals of one target within WINDOW_MS: six turns with their confirmations, so that two faults and their ends in a row are
 * each seen at once.
 */
export const EARLY_SEALS_MAX = 12;

/**
 * Most times within WINDOW_MS that the confirmation of a bad run seals every target's window: what stood beside a fault tells its cause
 * (small packets beside large ones, one endpoint beside another), and must not come ten seconds later than the fault. Three faults
 * in a row are told apart; each costs one report of as many windows as a boundary's.
 */
export const BESIDE_SEALS_MAX = 3;

/** How long early seals are gathered into one report, ms: a fault that hits every target at once costs one report. */
export const GATHER_MS = 100;

/** What a {@link Tally} needs. */
export interface TallyOptions {
  readonly clock: Clock;
  /** Takes windows that were sealed together; never called with none. */
  readonly sealed: (windows: readonly Window[], sealedAtMs: number) => void;
}

/** An attempt that has begun. */
export interface Ticket {
  /** Its sample, once it has ended. */
  sample: Sample | undefined;
}

/** What became of a sample. */
export interface Tallied {
  /** The samples that could be followed now: none while an earlier attempt is under way, else this one and those it held up. */
  readonly followed: readonly FollowedSample[];
  /** A run has just turned, or its very first sample is bad: worth looking at more closely. */
  readonly suspicious: boolean;
}

/** Counts of a tally since its start. */
export interface TallyStats {
  readonly missedTicks: number;
  readonly begunAttempts: number;
  readonly endedAttempts: number;
  /** Early seals that were held back by {@link EARLY_SEALS_MAX}. */
  readonly suppressedSeals: number;
}

/** Keeps an open window for each target. */
export interface Tally {
  /** Notes that an attempt began. The ticket, to be given back with its sample, says which one. */
  begun(targetId: string): Ticket;
  missed(targetId: string, ticks: number): void;
  /** Takes the sample of an attempt. It is followed once every attempt of the target that began earlier has ended. */
  ended(ticket: Ticket, sample: Sample): Tallied;
  /** Forgets targets that are not among these, once their windows are sealed and their attempts have ended. */
  retain(targetIds: ReadonlySet<string>): void;
  stats(): TallyStats;
  /** Seals everything now and stops the timers; what ends later was in flight. */
  stop(): void;
}

interface Account {
  open: Window;
  run: Run | undefined;
  /** Attempts in the order they began, from the first that has not ended; bounded by what the runner lets be in flight. */
  readonly tickets: Ticket[];
  retired: boolean;
  earlySealsNs: number[];
}

/** Creates a tally and starts its first window. */
export function createTally({ clock, sealed }: TallyOptions): Tally {
  const accounts = new Map<string, Account>();
  let stretch = openStretch(clock.wallMs(), clock.monotonicNs());
  let gathered: Window[] = [];
  let gatherTimer: Timer | undefined;
  let boundaryTimer: Timer | undefined;
  let missedTicks = 0;
  let begunAttempts = 0;
  let endedAttempts = 0;
  let suppressedSeals = 0;
  let stopped = false;
  let besideSealsNs: number[] = [];
  let wantsBeside = false;

  const accountOf = (targetId: string): Account => {
    const known = accounts.get(targetId);
    if (known !== undefined) return known;
    const nowMs = labelMs(stretch, clock.monotonicNs());
    const account: Account = {
      open: emptyWindow(targetId, nowMs, nowMs),
      run: undefined,
      tickets: [],
      retired: false,
      earlySealsNs: [],
    };
    accounts.set(targetId, account);
    return account;
  };

  const flush = () => {
    gatherTimer?.cancel();
    gatherTimer = undefined;
    if (gathered.length === 0) return;
    const windows = gathered;
    gathered = [];
    sealed(windows, clock.wallMs());
  };

  const seal = (account: Account, endMs: number, nextStartMs: number) => {
    const { open } = account;
    if (!isEmpty(open)) gathered.push({ ...open, endMs: Math.max(endMs, open.startMs) });
    account.open = emptyWindow(open.targetId, nextStartMs, nextStartMs);
  };

  const sealEarly = (account: Account) => {
    if (stopped) return;
    const nowNs = clock.monotonicNs();
    account.earlySealsNs = account.earlySealsNs.filter((sealNs) => nowNs - sealNs < WINDOW_MS * NS_PER_MS);
    if (account.earlySealsNs.length >= EARLY_SEALS_MAX) {
      suppressedSeals += 1;
      return;
    }
    account.earlySealsNs.push(nowNs);
    const nowMs = labelMs(stretch, nowNs);
    seal(account, nowMs, nowMs);
    gatherTimer ??= clock.after(GATHER_MS, endGathering);
  };

  const wantBeside = () => {
    const nowNs = clock.monotonicNs();
    besideSealsNs = besideSealsNs.filter((sealNs) => nowNs - sealNs < WINDOW_MS * NS_PER_MS);
    if (stopped || wantsBeside || besideSealsNs.length >= BESIDE_SEALS_MAX) return;
    besideSealsNs.push(nowNs);
    wantsBeside = true;
  };

  /** Ends the gathering: what is beside a fault goes with it, as of now. */
  const endGathering = () => {
    if (wantsBeside) {
      const nowMs = labelMs(stretch, clock.monotonicNs());
      for (const account of accounts.values()) seal(account, nowMs, nowMs);
    }
    wantsBeside = false;
    flush();
  };

  const sealAll = () => {
    const nowNs = clock.monotonicNs();
    const endMs = endLabelMs(stretch, nowNs);
    stretch = nextStretch(clock.wallMs(), nowNs);
    for (const [targetId, account] of accounts) {
      seal(account, endMs, stretch.startMs);
      if (account.retired && account.tickets.length === 0) accounts.delete(targetId);
    }
    wantsBeside = false;
    flush();
  };

  const follow = (account: Account, sample: Sample): FollowedSample => {
    const before = account.run;
    const followed = followRun(before, { ...sample, evidence: boundedEvidence(sample.evidence) });
    account.run = followed.run;
    const { startMs } = account.open;
    // Begun is counted when an attempt begins, which may have been in an earlier window.
    account.open = mergeWindows(account.open, { ...windowOf(followed, startMs, startMs), started: 0 });
    const isConfirmedNow = isConfirmed(before, followed.run);
    if (isConfirmedNow && followed.run.outcomeClass === "bad") wantBeside();
    if (followed.turned || isConfirmedNow) sealEarly(account);
    return followed;
  };

  const armBoundary = () => {
    const remainingMs = Math.max(0, Math.ceil((stretch.boundaryNs - clock.monotonicNs()) / NS_PER_MS));
    boundaryTimer = clock.after(remainingMs, () => {
      if (clock.monotonicNs() >= stretch.boundaryNs) sealAll();
      armBoundary();
    });
  };
  armBoundary();

  return {
    begun(targetId) {
      const account = accountOf(targetId);
      const ticket: Ticket = { sample: undefined };
      account.tickets.push(ticket);
      begunAttempts += 1;
      account.open = { ...account.open, started: account.open.started + 1 };
      return ticket;
    },
    missed(targetId, ticks) {
      const account = accountOf(targetId);
      missedTicks += ticks;
      account.open = { ...account.open, missedTicks: account.open.missedTicks + ticks };
    },
    ended(ticket, sample) {
      const account = accountOf(sample.targetId);
      ticket.sample = sample;
      endedAttempts += 1;
      const followed: FollowedSample[] = [];
      let suspicious = false;
      for (let first = account.tickets[0]?.sample; first !== undefined; first = account.tickets[0]?.sample) {
        account.tickets.shift();
        const isFirst = account.run === undefined;
        const one = follow(account, first);
        followed.push(one);
        suspicious ||= one.turned || (isFirst && one.run.outcomeClass === "bad");
      }
      return { followed, suspicious };
    },
    retain(targetIds) {
      for (const [targetId, account] of accounts) account.retired = !targetIds.has(targetId);
    },
    stats: () => ({ missedTicks, begunAttempts, endedAttempts, suppressedSeals }),
    stop() {
      stopped = true;
      boundaryTimer?.cancel();
      const nowMs = labelMs(stretch, clock.monotonicNs());
      for (const account of accounts.values()) {
        // Nothing that ended is lost for an earlier attempt that has not.
        for (const { sample } of account.tickets.splice(0)) if (sample !== undefined) follow(account, sample);
        seal(account, nowMs, nowMs);
      }
      flush();
    },
  };
}

function isEmpty(window: Window): boolean {
  return window.started === 0 && window.missedTicks === 0 && window.counts.size === 0;
}

/** Whether the sample that led from `before` to `after` made a run just long enough; silence from the start is worth telling too. */
function isConfirmed(before: Run | undefined, after: Run): boolean {
  return after.length === CONFIRMED_RUN_LENGTH && before?.length === CONFIRMED_RUN_LENGTH - 1;
}
