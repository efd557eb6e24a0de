import { outcomeClassOf, type Reason } from "@lifeline/measure";
import { emptyWindow, type Remembered, type Run, type Window } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { badRunCount, type Streak, streakOf } from "./streak.ts";
import { lookbackOf, NOW_MS, rememberedOf, TCP, targetOf, times, windowsOf } from "./testing/judgement-fixture.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

const OK = "answered";
const target = targetOf(TCP);
const after = (reasons: readonly Reason[]) => streakOf(windowsOf(target, reasons), DEFAULT_THRESHOLDS, 1_000);

describe("the deciding run", () => {
  it.each<[string, Reason[], Partial<Streak>]>([
    ["nothing", [], { kind: "inconclusive" }],
    ["stalls alone", times(9, "stalled"), { kind: "inconclusive" }],
    ["one answer", [OK], { kind: "good", runLength: 1, sinceMs: NOW_MS - 5, outageOrdinal: undefined }],
    ["answers", times(9, OK), { kind: "good", runLength: 9, sinceMs: NOW_MS - 8_005, outageOrdinal: undefined }],
    ["one refusal alone", ["refused"], { kind: "unconfirmed", reason: "refused" }],
    ["one loss alone", ["timeout"], { kind: "unconfirmed", reason: "timeout" }],
    ["two refusals alone", times(2, "refused"), { kind: "bad", runLength: 2, reason: "refused" }],
    ["two losses alone", times(2, "timeout"), { kind: "bad", runLength: 2, reason: "timeout" }],
    ["a refusal after answers", [...times(9, OK), "refused"], { kind: "good", runLength: 9 }],
    [
      "two refusals after answers",
      [...times(9, OK), ...times(2, "refused")],
      { kind: "bad", runLength: 2, sinceMs: NOW_MS - 1_005 },
    ],
    ["two losses after answers", [...times(9, OK), ...times(2, "timeout")], { kind: "good", runLength: 9 }],
    ["three losses after answers", [...times(9, OK), ...times(3, "timeout")], { kind: "bad", runLength: 3 }],
    ["two late answers after answers", [...times(9, OK), ...times(2, "late")], { kind: "good", runLength: 11 }],
    ["late answers only: the endpoint answers", times(9, "late"), { kind: "good", runLength: 9 }],
    ["late answers before an outage", [...times(9, "late"), ...times(3, "timeout")], { kind: "bad", runLength: 3 }],
    ["one answer after an outage", [...times(9, "refused"), OK], { kind: "bad", runLength: 9 }],
    [
      "two answers after an outage",
      [...times(9, "refused"), OK, OK],
      { kind: "good", runLength: 2, outageOrdinal: NOW_MS - 10_005 },
    ],
    [
      "one answer after a single loss",
      [...times(9, OK), "timeout", OK],
      { kind: "good", runLength: 9, outageOrdinal: undefined },
    ],
    [
      "single losses and answers in turn",
      ["timeout", OK, "timeout", OK],
      { kind: "good", runLength: 1, sinceMs: NOW_MS },
    ],
  ])("%s", (_, reasons, streak) => {
    expect(after(reasons)).toMatchObject(streak);
  });

  it("shows the latest bad sample of the run's state: one failure of another kind changes no cause", () => {
    const streak = after([...times(9, OK), "refused", "reset", "refused", "reset"]);
    expect(streak).toMatchObject({ runLength: 4, reason: "refused", seen: { endedAtMs: NOW_MS - 1_000 } });
  });

  it("of refusals, silence and refusals again is that of the second ones, with their own start", () => {
    const refused = times(9, "refused");
    const ago = (ms: number) => NOW_MS - ms - 5;
    expect(after([...refused, ...times(10, "silent")])).toMatchObject({ kind: "bad", sinceMs: ago(18_000) });
    expect(after([...refused, ...times(12, "silent")])).toEqual({ kind: "silent", sinceMs: ago(11_000) });
    expect(after([...refused, ...times(12, "silent"), "refused"])).toMatchObject({ kind: "unconfirmed" });
    expect(after([...refused, ...times(12, "silent"), "refused", "refused"])).toMatchObject({
      kind: "bad",
      sinceMs: ago(1_000),
      runLength: 2,
    });
  });

  it("of refusals and then losses has the cause and the start of the losses", () => {
    expect(after([...times(9, OK), ...times(20, "refused"), ...times(4, "timeout")])).toMatchObject({
      kind: "bad",
      reason: "timeout",
      sinceMs: NOW_MS - 23_005,
      runLength: 24,
      seen: { run: { stateLength: 4, stateStartedAtMs: NOW_MS - 3_005 } },
    });
  });
});

/** A bad run that ended now; the rest of a window is empty. */
const bad = (reason: Reason, run: Partial<Run> = {}, endedAtMs = NOW_MS): Remembered =>
  rememberedOf(reason, endedAtMs, {}, { length: 5, startedAtMs: endedAtMs - 4_000, ...run });
const good = (run: Partial<Run> = {}, endedAtMs = NOW_MS): Remembered =>
  rememberedOf(OK, endedAtMs, {}, { outcomeClass: "good", length: 5, startedAtMs: endedAtMs - 4_000, ...run });
const windowWith = (last: Remembered | undefined, lastBad = last, more: Partial<Window> = {}): Window => ({
  ...emptyWindow(target.id, NOW_MS - 10_000, NOW_MS),
  last,
  lastBad: lastBad !== undefined && outcomeClassOf(lastBad.reason) === "bad" ? lastBad : undefined,
  ...more,
});
const streak = (...windows: Window[]) => streakOf(windows, DEFAULT_THRESHOLDS, 1_000);
/** Expects the same of the windows in both orders. */
function expectStreak(windows: readonly Window[], wanted: Partial<Streak>): void {
  expect(streak(...windows)).toMatchObject(wanted);
  expect(streak(...windows.toReversed())).toEqual(streak(...windows));
}

describe("unanswered DNS queries", () => {
  const ran = (ms: number) => [
    windowWith(bad("dns-timeout", { ordinal: 2, startedAtMs: NOW_MS - ms })),
    windowWith(good({ ordinal: 1 })),
  ];
  it.each([
    [2_500, "bad"],
    [2_499, "good"],
  ])("of %i ms give %s, because attempts share a query for that long", (ms, kind) => {
    expectStreak(ran(ms), { kind: kind as Streak["kind"] });
  });
});

describe("the runs that windows remember", () => {
  it("are ordered by ordinal, whatever the clock", () => {
    expectStreak([windowWith(bad("refused", { ordinal: 2 }, NOW_MS - 60_000)), windowWith(good({ ordinal: 1 }))], {
      kind: "bad",
    });
    expectStreak([windowWith(bad("refused", { ordinal: 1 })), windowWith(good({ ordinal: 2 }, NOW_MS - 60_000))], {
      kind: "good",
      outageOrdinal: 1,
    });
  });

  it("with one ordinal follow their ends, then the bad one comes first", () => {
    expectStreak([windowWith(bad("refused", {}, NOW_MS - 1)), windowWith(good())], { kind: "good" });
    expectStreak([windowWith(bad("refused")), windowWith(good({}, NOW_MS - 1))], { kind: "bad" });
    expectStreak([windowWith(bad("refused")), windowWith(good())], { kind: "bad" });
  });

  it("are joined across windows: the earliest start, the latest end, the greatest length, the latest sample", () => {
    const early = bad("refused", { length: 2, startedAtMs: NOW_MS - 9_000 }, NOW_MS - 5_000);
    const late = bad("reset", { length: 7, startedAtMs: NOW_MS - 8_000 });
    expectStreak([windowWith(early), windowWith(late)], {
      kind: "bad",
      sinceMs: NOW_MS - 9_000,
      runLength: 7,
      reason: "reset",
    });
  });

  it("are joined by length before end, because a loss ends a whole threshold after it began", () => {
    const lost = bad("timeout", { length: 4 }, NOW_MS);
    const refused = bad("refused", { length: 5 }, NOW_MS - 900);
    expectStreak([windowWith(lost), windowWith(refused)], { kind: "bad", reason: "refused" });
    expectStreak([windowWith(bad("reset", {}, NOW_MS - 1)), windowWith(bad("refused"))], {
      kind: "bad",
      reason: "refused",
    });
    expectStreak([windowWith(bad("reset")), windowWith(bad("refused"))], { kind: "bad", reason: "reset" });
  });

  it("end with the latest of their samples", () => {
    const queries = [
      bad("dns-timeout", { ordinal: 2, length: 3, startedAtMs: NOW_MS - 3_000 }, NOW_MS - 1_000),
      bad("dns-timeout", { ordinal: 2, length: 4, startedAtMs: NOW_MS - 3_000 }),
    ];
    expectStreak([...queries.map((seen) => windowWith(seen)), windowWith(good({ ordinal: 1 }))], {
      kind: "bad",
      runLength: 4,
    });
  });

  it("keep a bad run whose last sample is inconclusive", () => {
    const stalled = rememberedOf("stalled", NOW_MS, {}, { length: 5, startedAtMs: NOW_MS - 9_000 });
    expectStreak([windowWith(stalled, bad("refused", { length: 4 }, NOW_MS - 1_000))], {
      kind: "bad",
      reason: "refused",
      runLength: 5,
    });
    expectStreak([windowWith(stalled, undefined)], { kind: "inconclusive" });
    expectStreak([windowWith({ ...stalled, run: { ...stalled.run, outcomeClass: "inconclusive" } }, undefined)], {
      kind: "inconclusive",
    });
  });

  it("hold back a good run too short to end an outage, unless nothing was bad", () => {
    expectStreak([windowWith(good({ length: 1 }))], { kind: "good", runLength: 1 });
    expectStreak([windowWith(good({ ordinal: 2, length: 1 })), windowWith(good())], { kind: "good", runLength: 1 });
    expectStreak([windowWith(good({ ordinal: 2, length: 1 })), windowWith(bad("refused"))], { kind: "bad" });
    expectStreak([windowWith(good({ ordinal: 2, length: 2 })), windowWith(bad("refused"))], {
      kind: "good",
      runLength: 2,
    });
  });

  it("are those of conclusive samples", () => {
    const stalled = rememberedOf("stalled", NOW_MS, {}, { ordinal: 2, outcomeClass: "inconclusive" });
    expectStreak([windowWith(stalled), windowWith(bad("refused", { length: 1 }))], { kind: "unconfirmed" });
  });

  it("are good or bad by their class, whatever reason a report gives", () => {
    expectStreak([windowWith({ ...good(), reason: "refused" })], { kind: "good", outageOrdinal: undefined });
    expectStreak(
      [
        windowWith(good({ ordinal: 1 })),
        windowWith({ ...good({ ordinal: 2, length: 1 }), reason: "refused" }),
        windowWith(bad("reset", { ordinal: 0 })),
      ],
      { kind: "good", runLength: 5 },
    );
  });

  it("count as bad each once", () => {
    const first = bad("refused");
    expect(badRunCount([])).toBe(0);
    expect(badRunCount([windowWith(first), windowWith(first), windowWith(good({ ordinal: 2 }))])).toBe(1);
    expect(badRunCount([windowWith(first), windowWith(bad("refused", { ordinal: 3 }))])).toBe(2);
  });
});

describe("a window that ends in a bad run", () => {
  const mixed = (counts: Partial<Record<Reason, number>>, last: Remembered | undefined, more: Partial<Window> = {}) =>
    windowWith(last, last, { counts: lookbackOf(counts).counts, ...more });
  it.each<[string, Window, Partial<Streak>]>([
    [
      "after answers alone has a good run of all of them",
      mixed({ answered: 3, refused: 1 }, bad("refused", { ordinal: 2, length: 1 })),
      { kind: "good", runLength: 3 },
    ],
    [
      "with another failure has one of at least a third of them, rounded up",
      mixed({ answered: 7, refused: 2 }, bad("refused", { ordinal: 2, length: 1 })),
      { kind: "good", runLength: 3 },
    ],
    [
      "with inconclusive samples has one of all its answers",
      mixed({ answered: 3, refused: 1, stalled: 4 }, bad("refused", { ordinal: 2, length: 1 })),
      { kind: "good", runLength: 3 },
    ],
    [
      "of a run that is proof is decided by that",
      mixed({ answered: 3, refused: 2 }, bad("refused", { ordinal: 2, length: 2 })),
      { kind: "bad", runLength: 2 },
    ],
    [
      "without answers has none",
      mixed({ refused: 1 }, bad("refused", { ordinal: 2, length: 1 })),
      { kind: "unconfirmed" },
    ],
  ])("%s", (_, window, wanted) => {
    expectStreak([window], wanted);
  });

  it("has a good run from the window's start, but never after the bad run began", () => {
    const last = bad("refused", { ordinal: 2, length: 1, startedAtMs: NOW_MS - 500 });
    expectStreak([mixed({ answered: 3, refused: 1 }, last)], { sinceMs: NOW_MS - 10_000 });
    expectStreak([mixed({ answered: 3, refused: 1 }, last, { startMs: NOW_MS })], { sinceMs: NOW_MS - 500 });
  });

  it("has a good run that follows an earlier outage, whatever the clock", () => {
    const outage = windowWith(bad("refused", { ordinal: 1 }, NOW_MS + 5_000));
    const last = bad("refused", { ordinal: 3, length: 1 });
    expectStreak([mixed({ answered: 3, refused: 1 }, last), outage], { kind: "good", runLength: 3, outageOrdinal: 1 });
  });

  it("shares that good run with a window that remembers it", () => {
    const last = bad("refused", { ordinal: 2, length: 1 });
    const before = windowWith(good({ ordinal: 1, length: 9, startedAtMs: NOW_MS - 30_000 }, NOW_MS - 5_000));
    expectStreak([mixed({ answered: 3, refused: 1 }, last), before], {
      kind: "good",
      runLength: 9,
      sinceMs: NOW_MS - 30_000,
    });
  });

  it("has none if its last sample is good or inconclusive, or if it is empty", () => {
    expectStreak([mixed({ answered: 3 }, good({ ordinal: 2, length: 1 })), windowWith(bad("refused"))], {
      kind: "bad",
    });
    expectStreak([mixed({ answered: 3 }, undefined)], { kind: "inconclusive" });
    const stalled = rememberedOf("stalled", NOW_MS, {}, { outcomeClass: "inconclusive" });
    expectStreak([mixed({ answered: 3 }, stalled), windowWith(bad("refused", { length: 1 }))], {
      kind: "good",
      runLength: 1,
      sinceMs: NOW_MS - 10_000,
    });
  });
});

describe("answers that no run remembers", () => {
  const answered = (startMs: number): Window => ({ ...lookbackOf({ answered: 1 }), startMs });
  it("show that the path works, since the earliest window", () => {
    const alone = windowWith(bad("refused", { length: 1 }), undefined, { startMs: NOW_MS });
    expectStreak([alone, answered(NOW_MS - 30_000)], {
      kind: "good",
      sinceMs: NOW_MS - 30_000,
      runLength: 1,
      outageOrdinal: undefined,
    });
    expectStreak([alone, { ...answered(NOW_MS), startMs: NOW_MS }], { kind: "good", sinceMs: NOW_MS - 4_000 });
  });
});
