/**
 * What time it is at the earliest and at the latest. Whatever is deleted by age goes by this and not by the wall clock: deleting cannot be undone, and
 * a clock may be wrong by years.
 *
 * 1. The bounds hold all that was read in the last hour, from the collector's clock and from the nodes': one clock that is wrong moves a bound
 *    away from the truth and none past it, and all of them together move none past it within the hour.
 * 2. Of the nodes the median counts. A node that was heard has a voice as long as it is known: its clock goes on by the collector's monotonic one, so
 *    that a wrong clock of the collector, which cuts off the nodes whose certificates it takes for ended, does not choose who is asked.
 * 3. Nothing is known until half of those were heard that are awaited after a start, or a day has gone: the others may be gone for good.
 *
 * The monotonic clock stands still while a host is suspended. Nodes that were heard before it and not since are behind by as much.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Node } from "../fleet/fleet.ts";

/** How far back readings count, and how long ago the first one must be, ms: an hour, within which time servers put a clock right. */
const READINGS_MS = 3_600_000;

/** How long half of the nodes are waited for after a start, ms: a day. */
export const QUORUM_WITHIN_MS = 24 * 3_600_000;

/** Between what and what it is, ms since the epoch, whole. */
export interface TimeBounds {
  readonly earliestMs: number;
  readonly latestMs: number;
}

export interface Timekeeper {
  /** Takes a reading; says what it is together with those before. Undefined: not known yet. To be asked once a minute. */
  look(): TimeBounds | undefined;
  /** What the nodes' clocks read now, their median, of an even number the earlier one; undefined before any was heard. */
  fleetMs(): number | undefined;
}

/** A node whose clock counts. */
export type TellingNode = Pick<Node, "clockTold" | "isAwaited">;

/** A minute's bounds, by how far they are from the monotonic clock, ms. */
interface Reading {
  readonly atNs: number;
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** Starts to keep time by the collector's clock and those of `nodes`. */
export function createTimekeeper(clock: Clock, nodes: ReadonlyMap<string, TellingNode>): Timekeeper {
  const startedNs = clock.monotonicNs();
  let readings: readonly Reading[] = [];
  /** The nodes' clocks: whether enough were heard, and the two in their middle by how far they are from the monotonic one, ms. */
  const fleet = () => {
    const all = [...nodes.values()];
    const awaited = all.filter(({ clockTold, isAwaited }) => clockTold === undefined && isAwaited).length;
    const apartMs = all
      .flatMap(({ clockTold }) => (clockTold === undefined ? [] : [clockTold.sentMs - clockTold.atNs / NS_PER_MS]))
      .sort((a, b) => a - b);
    const { length } = apartMs;
    const isQuorum = length >= awaited;
    return { isQuorum, lowerMs: apartMs[Math.floor((length - 1) / 2)], upperMs: apartMs[Math.floor(length / 2)] };
  };
  const read = (nowNs: number): readonly Reading[] => {
    const { isQuorum, lowerMs, upperMs } = fleet();
    const isWaiting = !isQuorum && nowNs - startedNs < QUORUM_WITHIN_MS * NS_PER_MS;
    if (isWaiting || lowerMs === undefined || upperMs === undefined) return [];
    const ownMs = clock.wallMs() - nowNs / NS_PER_MS;
    return [{ atNs: nowNs, earliestMs: Math.min(ownMs, lowerMs), latestMs: Math.max(ownMs, upperMs) }];
  };
  return {
    fleetMs() {
      const { lowerMs } = fleet();
      return lowerMs === undefined ? undefined : lowerMs + clock.monotonicNs() / NS_PER_MS;
    },
    look() {
      const nowNs = clock.monotonicNs();
      readings = [...readings, ...read(nowNs)];
      const beganAt = readings.findLastIndex(({ atNs }) => nowNs - atNs >= READINGS_MS * NS_PER_MS);
      if (beganAt < 0) return undefined;
      readings = readings.slice(beganAt);
      const earliestMs = readings.reduce(
        (least, reading) => Math.min(least, reading.earliestMs),
        Number.POSITIVE_INFINITY,
      );
      const latestMs = readings.reduce((most, reading) => Math.max(most, reading.latestMs), Number.NEGATIVE_INFINITY);
      const nowMs = nowNs / NS_PER_MS;
      return { earliestMs: Math.floor(earliestMs + nowMs), latestMs: Math.ceil(latestMs + nowMs) };
    },
  };
}
