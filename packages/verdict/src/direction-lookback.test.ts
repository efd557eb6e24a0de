import type { DirectionCounts } from "@lifeline/measure";
import { NO_DIRECTIONS, type Window } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { directionsOf } from "./direction-lookback.ts";
import {
  judgeRows,
  lookbackOf,
  NOW_MS,
  rowOf,
  STAMP,
  targetOf,
  times,
  windowsOf,
} from "./testing/judgement-fixture.ts";

const counts = (forwardSent: number, forwardLost = 0): DirectionCounts => ({
  ...NO_DIRECTIONS,
  forwardSent,
  forwardLost,
  returnSent: forwardSent - forwardLost,
});
const windowAt = (endedAgoMs: number, answered: number, directions: DirectionCounts): Window => {
  const endMs = NOW_MS - endedAgoMs;
  return { ...lookbackOf({ answered }), startMs: endMs - 10_000, endMs, directions };
};

describe("the direction counts of a lookback", () => {
  it("leave out the packets of an outage before it, which are compared only after its end", () => {
    const after = windowAt(20_000, 10, counts(190, 180));
    expect(directionsOf([windowAt(10_000, 10, counts(10)), after, windowAt(0, 10, counts(10, 1))])).toEqual(
      counts(20, 1),
    );
  });

  it("hold those of an outage within it", () => {
    const outage: Window = { ...lookbackOf({ timeout: 30 }), startMs: NOW_MS - 50_000, endMs: NOW_MS - 20_000 };
    expect(directionsOf([windowAt(10_000, 10, counts(40, 30)), outage])).toEqual(counts(40, 30));
  });

  it("lag behind the attempts by those in flight", () => {
    const windows = [30_000, 20_000, 10_000].map((agoMs, at) => windowAt(agoMs, 10, counts(at === 0 ? 8 : 10)));
    expect(directionsOf(windows)).toEqual(counts(28));
  });
});

it("a row of STAMP shows nothing of an outage that is over in its direction counts", () => {
  const target = targetOf(STAMP);
  const windows = windowsOf(target, [...times(40, "timeout"), ...times(25, "answered")]);
  const first = windows.findIndex(({ last }) => last?.reason === "answered");
  // The turn is sealed with the first answer; the session compares the outage's packets in the window after it.
  const compared = windows.map((window, at) => (at === first + 1 ? { ...window, directions: counts(45, 40) } : window));
  expect(judgeRows([rowOf([target])], compared)[0]).toMatchObject({ verdict: "met", directions: undefined });
});
