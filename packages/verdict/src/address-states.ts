/**
 * The addresses of a host that take turns, each judged by its own run.
 *
 * 1. An address is failing or answering by the same thresholds as a target (streak.ts).
 * 2. Only addresses of the name's latest answer count. One that was removed from the name neither fails nor answers.
 * 3. A target fails as a whole once every address fails: each needs no proof of its own while none answers.
 */
import { LATE_WATCH_MS, type Reason, type Target } from "@lifeline/measure";
import { emptyWindow, latestSample, type Remembered, type Window } from "@lifeline/window";
import { nextStepFor } from "./next-step.ts";
import { seenPhrase, timeOfDay } from "./phrase.ts";
import { type Streak, streakOf } from "./streak.ts";
import type { Thresholds } from "./thresholds.ts";

/** By this cadence, ms, two answers end the outage of an address: each is probed only when its turn comes. */
const ADDRESS_CADENCE_MS = 60_000;

/** Most time from the start of a lost attempt to its end, ms: the longest threshold is 2.5 s, of time servers. */
const LOSS_MAX_MS = 2_500 + LATE_WATCH_MS;

/** An address that fails. */
export interface FailingAddress {
  readonly address: string;
  readonly reason: Reason;
  /** The latest bad sample there. */
  readonly seen: Remembered;
  readonly runLength: number;
  /** ms since the epoch */
  readonly sinceMs: number;
}

/** The addresses of a target's host. Lists are sorted. */
export interface AddressStates {
  readonly failing: readonly FailingAddress[];
  readonly answering: readonly string[];
  /** Those of them whose latest attempt failed. */
  readonly faltering: readonly string[];
  /** Too few samples so far, or too few answers since an outage of all. */
  readonly undecided: readonly string[];
  /** Whether the latest attempt at every address failed, or is silent so far. */
  readonly allBadNow: boolean;
  /** When an address last recovered, or a failing one was removed from the name, ms since the epoch; 0: never. */
  readonly recoveredAtMs: number;
  /** Since when the addresses that answer have answered, ms since the epoch. */
  readonly answeringSinceMs: number;
  /** How many addresses the name has. */
  readonly count: number;
}

/**
 * The state of each address after `windows` of one target. Undefined for a host with one address; without addresses for
 * a host that had several.
 */
export function addressStatesOf(windows: readonly Window[], thresholds: Thresholds): AddressStates | undefined {
  const located = windows.flatMap(({ last, lastBad }) => [last, lastBad]).reduce(laterLocated, undefined);
  if (located?.evidence.address === undefined || windows.every((window) => window.addresses.size === 0))
    return undefined;
  const addresses = located.evidence.addresses ?? [];
  const known = addresses.map((address) => ({ address, ...stateOf(address, windows, thresholds) }));
  const good = known.flatMap(({ address, streak }) => (streak.kind === "good" ? [{ address, streak }] : []));
  const bad = known.flatMap(({ address, streak, isBadNow }) =>
    streak.kind === "bad" ? [{ isBadNow, ...failingAt(address, streak) }] : [],
  );
  const recoveries = good.map(({ streak }) => recoveredAt(streak));
  const allRecoveredAtMs = Math.min(...recoveries) > 0 ? Math.max(...recoveries) : 0;
  // When an outage of all ends, addresses recover one after another.
  const isRecovering = ({ isBadNow, seen }: (typeof bad)[number]) =>
    good.length > 0 && !isBadNow && seen.endedAtMs <= allRecoveredAtMs + LOSS_MAX_MS;
  const failing = bad.filter((one) => !isRecovering(one)).map(({ isBadNow, ...one }) => one);
  const decided = new Set([...good, ...failing].map(({ address }) => address));
  return {
    failing,
    answering: good.map(({ address }) => address),
    faltering: known.flatMap(({ address, streak, isBadNow }) => (streak.kind === "good" && isBadNow ? [address] : [])),
    undecided: addresses.filter((address) => !decided.has(address)),
    allBadNow: known.every(({ isBadNow }) => isBadNow),
    recoveredAtMs: Math.max(
      0,
      removedAtMs(windows, [...addresses, located.evidence.address]),
      ...good.map(({ streak }) => recoveredAt(streak)),
    ),
    answeringSinceMs: Math.min(...good.map(({ streak }) => streak.sinceMs)),
    count: located.evidence.addressCount ?? addresses.length,
  };
}

function laterLocated(a: Remembered | undefined, b: Remembered | undefined): Remembered | undefined {
  return b?.evidence.address === undefined ? a : latestSample(a, b);
}

function stateOf(
  address: string,
  windows: readonly Window[],
  thresholds: Thresholds,
): { readonly streak: Streak; readonly isBadNow: boolean } {
  const own = windows.flatMap(({ targetId, startMs, endMs, addresses }) => {
    const run = addresses.get(address);
    return run === undefined ? [] : [{ ...emptyWindow(targetId, startMs, endMs), ...run }];
  });
  const last = own.reduce<Remembered | undefined>((latest, window) => latestSample(latest, window.last), undefined);
  const isBadNow = last !== undefined && (last.run.outcomeClass === "bad" || last.run.watched > 0);
  return { streak: streakOf(own, thresholds, ADDRESS_CADENCE_MS), isBadNow };
}

function failingAt(address: string, { reason, seen, runLength, sinceMs }: Streak & { kind: "bad" }): FailingAddress {
  return { address, reason, seen, runLength, sinceMs };
}

function recoveredAt({ outageOrdinal, sinceMs }: Streak & { kind: "good" }): number {
  return outageOrdinal === undefined ? 0 : sinceMs;
}

/** When an address was last tried that failed and is no longer one of the name's, ms since the epoch; 0: none. */
function removedAtMs(windows: readonly Window[], current: readonly string[]): number {
  let latestMs = 0;
  for (const { addresses } of windows) {
    for (const [address, { last }] of addresses) {
      const isGone = last.run.outcomeClass === "bad" && !current.includes(address);
      if (isGone) latestMs = Math.max(latestMs, last.endedAtMs);
    }
  }
  return latestMs;
}

/** Such as ` 1 of 2 addresses of omni.test fails: …; answering: 192.0.2.1.`; what each of them showed. */
export function addressesPhrase({ host, proxy }: Target, states: AddressStates): string {
  const { failing, faltering, undecided, count } = states;
  const answering = states.answering.filter((address) => !faltering.includes(address));
  const name = proxy?.host ?? host;
  const tried = failing.length + states.answering.length + undecided.length;
  if (tried === 0) return "";
  const more = count > tried ? ` The name has ${count} addresses or more; ${tried} take turns.` : "";
  if (failing.length === 0)
    return ` ${tried} addresses take turns: ${[...states.answering, ...undecided].join(", ")}.${more}`;
  const verb = failing.length === 1 ? "fails" : "fail";
  const lists = [
    `answering: ${answering.length === 0 ? "none" : answering.join(", ")}`,
    ...(faltering.length === 0 ? [] : [`failed at the latest attempt: ${faltering.join(", ")}`]),
    ...(undecided.length === 0 ? [] : [`too few attempts: ${undecided.join(", ")}`]),
  ];
  return ` ${failing.length} of ${tried} addresses of ${name} ${verb}: ${failing.map(failurePhrase).join("; ")}. ${capital(lists.join("; "))}.${more}`;
}

function failurePhrase({ address, reason, seen, runLength, sinceMs }: FailingAddress): string {
  return `${address} (${seenPhrase(reason, seen)}, ${runLength} times in a row since ${timeOfDay(sinceMs)})`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Who must change what about the addresses that fail. */
export function deadAddressStep(target: Target, { failing }: AddressStates): string {
  const name = target.proxy?.host ?? target.host;
  const steps = failing.map(({ address, reason }) => nextStepFor(reason, withAddress(target, address)));
  const dead = failing.map(({ address }) => address).join(", ");
  return `${[...new Set(steps)].join(" ")} Owner of the zone of ${name}: or take ${dead} out of the name. A client that tries one address alone fails at times.`;
}

function withAddress(target: Target, address: string): Target {
  const { proxy } = target;
  return proxy === undefined ? { ...target, host: address } : { ...target, proxy: { ...proxy, host: address } };
}
