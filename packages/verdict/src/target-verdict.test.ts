import type { Evidence, Reason } from "@lifeline/measure";
import { binomialTail, emptyWindow, type Remembered, type Run, type Window, wilsonInterval } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { type TargetVerdict, targetVerdictOf } from "./target-verdict.ts";
import { lookbackOf, NOW_MS, rememberedOf, TCP, targetOf, times, windowsOf } from "./testing/judgement-fixture.ts";
import { DEFAULT_THRESHOLDS, type Thresholds } from "./thresholds.ts";

const OK = "answered" as const;
const target = targetOf(TCP);
const verdictOf = (windows: readonly Window[], thresholds: Partial<Thresholds> = {}): TargetVerdict =>
  targetVerdictOf(target, windows, NOW_MS, { ...DEFAULT_THRESHOLDS, ...thresholds });
const after = (reasons: readonly Reason[], endedAgoMs = 0): TargetVerdict =>
  verdictOf(windowsOf(target, reasons, endedAgoMs));

const run = (reason: Reason, length = 5): Partial<Run> => ({ outcomeClass: reason === OK ? "good" : "bad", length });
/** A window of ten seconds that ended that long ago, with its last sample. */
function windowOf(
  counts: Partial<Record<Reason, number>>,
  endedAgoMs = 0,
  last: Remembered | null = lastOf(counts, endedAgoMs),
): Window {
  const endMs = NOW_MS - endedAgoMs;
  const window = { ...emptyWindow(target.id, endMs - 10_000, endMs), counts: lookbackOf(counts).counts };
  if (last === null) return window;
  return { ...window, last, lastBad: last.run.outcomeClass === "bad" ? last : undefined };
}
function lastOf(counts: Partial<Record<Reason, number>>, endedAgoMs: number): Remembered {
  const reason = (Object.keys(counts) as Reason[])[0] ?? OK;
  return rememberedOf(reason, NOW_MS - endedAgoMs, {}, run(reason));
}

describe("an endpoint that limits its callers", () => {
  it.each<[string, readonly Reason[]]>([
    ["that answers 429 again and again", ["rate-limited", "rate-limited"]],
    ["that is not asked until its pause is over", ["rate-limited", "rate-held", "rate-held"]],
  ])("%s is degraded, and neither met nor unmet", (_, reasons) => {
    expect(after(reasons)).toMatchObject({ verdict: "degraded", cause: "rate-limited", basis: "failed" });
    expect(after([OK, OK, OK, ...reasons])).toMatchObject({ verdict: "degraded", cause: "rate-limited" });
  });

  it("is met when it answers again", () => {
    expect(after(["rate-limited", "rate-held", OK, OK, OK])).toMatchObject({ verdict: "met" });
  });
});

describe("the windows that count", () => {
  it.each<[string, number, Partial<TargetVerdict>]>([
    ["at once", 0, { verdict: "met" }],
    ["just before 30 s", 29_999, { verdict: "met" }],
    ["30 s ago: stale", 30_000, { verdict: "unknown", basis: "no-data", cause: "no-data", onsetMs: NOW_MS - 30_000 }],
    ["a window's length in the future", -10_000, { verdict: "met" }],
    [
      "later in the future: labelled by another clock",
      -10_001,
      { verdict: "unknown", basis: "no-data", onsetMs: NOW_MS },
    ],
  ])("ended %s", (_, endedAgoMs, wanted) => {
    expect(verdictOf([windowOf({ answered: 5 }, endedAgoMs)])).toMatchObject(wanted);
  });

  it("are those of the target", () => {
    const other = { ...windowOf({ answered: 5 }), targetId: "another" };
    expect(verdictOf([other])).toMatchObject({
      basis: "no-data",
      reason: OK,
      seen: undefined,
      runLength: 0,
      lastSampleAtMs: undefined,
    });
  });

  it("are merged when they ended within the lookback", () => {
    const windows = [windowOf({ answered: 1 }), windowOf({ answered: 2 }, 59_999), windowOf({ answered: 4 }, 60_000)];
    const { lookback, lookbackMs } = verdictOf(windows);
    expect([lookback.counts.get(OK), lookbackMs]).toEqual([3, 60_000]);
    expect(verdictOf(windows, { lookbackMs: 90_000 }).lookback.counts.get(OK)).toBe(7);
  });

  it.each<[string, agosMs: number[], startMs: number, endMs: number]>([
    ["from the earliest start to the latest end", [20_000, 5_000], NOW_MS - 30_000, NOW_MS - 5_000],
    ["to no period if there is none", [], NOW_MS, NOW_MS - 60_000],
  ])("are merged %s", (_, agosMs, startMs, endMs) => {
    const { lookback } = verdictOf(agosMs.map((agoMs) => windowOf({ answered: 1 }, agoMs)));
    expect(lookback).toMatchObject({ targetId: target.id, startMs, endMs });
  });

  it("all say when the last sample ended", () => {
    expect(
      verdictOf([windowOf({ answered: 1 }, 70_000), windowOf({ answered: 1 }, 80_000), windowOf({}, 0, null)])
        .lastSampleAtMs,
    ).toBe(NOW_MS - 70_000);
    expect(verdictOf([windowOf({ answered: 1 }, 80_000), windowOf({ answered: 1 }, 70_000)]).onsetMs).toBe(
      NOW_MS - 70_000,
    );
  });
});

describe("fresh windows without a conclusive sample", () => {
  const since = (reason: Reason, more: Partial<Run> = {}) =>
    rememberedOf(reason, NOW_MS, {}, { outcomeClass: "inconclusive", startedAtMs: NOW_MS - 7_000, ...more });
  it.each<[string, Window, Partial<TargetVerdict>]>([
    [
      "nothing was tried",
      windowOf({}, 0, null),
      { basis: "no-attempt", cause: "not-measured", reason: "agent-overload", onsetMs: NOW_MS },
    ],
    ["nothing is remembered", windowOf({ stalled: 3 }, 0, null), { basis: "no-attempt", cause: "not-measured" }],
    ["nothing ended", windowOf({}, 0, since("stalled")), { basis: "no-attempt" }],
    [
      "the agent stalled",
      windowOf({ stalled: 3 }, 0, since("stalled")),
      { basis: "agent-trouble", cause: "not-measured", reason: "stalled", onsetMs: NOW_MS - 7_000 },
    ],
    [
      "the agent has no key",
      windowOf({ "stamp-unkeyed": 3 }, 0, since("stamp-unkeyed")),
      { basis: "agent-trouble", cause: "stamp-key" },
    ],
    [
      "the peer is silent",
      windowOf({ silent: 3 }, 0, since("silent")),
      { basis: "silent", cause: "no-evidence", reason: "silent" },
    ],
    [
      "the interface is idle",
      windowOf({ "link-idle": 3 }, 0, since("link-idle")),
      { basis: "silent", cause: "no-evidence", reason: "link-idle" },
    ],
    [
      "the name has no address",
      windowOf({ "dns-nodata": 3 }, 0, since("dns-nodata")),
      { basis: "name-has-no-address", cause: "dns-nodata", reason: "dns-nodata" },
    ],
    [
      "a registry gives nothing without a token from an undocumented host",
      windowOf({ "token-host-undocumented": 3 }, 0, since("token-host-undocumented")),
      { basis: "unproven", cause: "no-evidence", reason: "token-host-undocumented", onsetMs: NOW_MS - 7_000 },
    ],
    [
      "a mirror lacks the image",
      windowOf({ "object-unproven": 3 }, 0, since("object-unproven")),
      { basis: "unproven", cause: "object-missing", reason: "object-unproven" },
    ],
    [
      "they follow a run of answers",
      windowOf({ stalled: 3 }, 0, since("stalled", { outcomeClass: "good" })),
      { basis: "agent-trouble", onsetMs: NOW_MS - 10_000 },
    ],
    [
      "counts and last sample disagree",
      windowOf({ stalled: 3 }, 0, since("answered", { outcomeClass: "good" })),
      { basis: "agent-trouble", reason: "stalled" },
    ],
  ])("%s", (_, window, wanted) => {
    expect(verdictOf([window])).toMatchObject({ verdict: "unknown", ...wanted });
  });

  it("say so although older windows have answers", () => {
    const stalled = windowOf({ stalled: 3 }, 0, since("stalled"));
    expect(verdictOf([stalled, windowOf({ answered: 9 }, 30_000)]).basis).toBe("agent-trouble");
    expect(verdictOf([stalled, windowOf({ answered: 9 }, 29_000)]).basis).toBe("answered");
    expect(verdictOf([stalled, windowOf({ refused: 9 }, 29_000)]).basis).toBe("failed");
  });

  it("are no attempt where counts have no sample", () => {
    expect(verdictOf([windowOf({ refused: 1 }, 0, null)])).toMatchObject({ basis: "no-attempt", runLength: 0 });
  });
});

describe("the deciding run", () => {
  it.each<[string, Reason[], Partial<TargetVerdict>]>([
    [
      "of answers is met",
      times(9, OK),
      { verdict: "met", cause: "none", basis: "answered", reason: OK, runLength: 9, onsetMs: NOW_MS - 8_005 },
    ],
    [
      "of failures is unmet",
      times(9, "host-unreachable"),
      {
        verdict: "unmet",
        cause: "unreachable",
        basis: "failed",
        reason: "host-unreachable",
        runLength: 9,
        onsetMs: NOW_MS - 8_005,
      },
    ],
    [
      "of one failure alone is unknown",
      ["host-unreachable"],
      {
        verdict: "unknown",
        cause: "unreachable",
        basis: "unconfirmed",
        reason: "host-unreachable",
        runLength: 1,
        onsetMs: NOW_MS - 5,
      },
    ],
  ])("%s", (_, reasons, wanted) => {
    const verdict = after(reasons);
    expect(verdict).toMatchObject(wanted);
    expect(verdict.seen).toMatchObject({ reason: reasons[0], endedAtMs: NOW_MS });
  });

  it.each<[string, Reason[], object]>([
    ["nine losses and a stall", [...times(9, "timeout"), "stalled"], { verdict: "unmet", cause: "timeout" }],
    ["nine losses and twenty stalls", [...times(9, "timeout"), ...times(20, "stalled")], { cause: "timeout" }],
    [
      "nine refusals and an attempt too many",
      [...times(9, "refused"), "agent-overload"],
      { verdict: "unmet", cause: "refused", runLength: 9, seen: { reason: "refused" } },
    ],
    ["nine answers and a stall", [...times(9, OK), "stalled"], { verdict: "met", seen: { reason: OK } }],
    [
      "answers, two losses, a stall and a loss",
      [...times(9, OK), ...times(2, "timeout"), "stalled", "timeout"],
      { verdict: "unmet", cause: "timeout", runLength: 3 },
    ],
    ["silence and a stall", [...times(3, "silent"), "stalled"], { cause: "no-evidence", reason: "silent" }],
  ])("of %s is that of what was measured (M3)", (_, reasons, wanted) => {
    expect(after(reasons)).toMatchObject(wanted);
  });

  it.each<[number, object]>([
    [10, { verdict: "unmet", cause: "refused", basis: "failed" }],
    [11, { verdict: "unknown", cause: "no-evidence", basis: "silent", onsetMs: NOW_MS - 10_005 }],
  ])("of refusals and %i silent attempts, one a second, is %j (M4)", (silent, wanted) => {
    expect(after([...times(9, "refused"), ...times(silent, "silent")])).toMatchObject(wanted);
  });

  it("of refusals keeps its cause when only stalls follow", () => {
    expect(after([...times(9, "refused"), ...times(12, "stalled")])).toMatchObject({ cause: "refused" });
  });
});

/** Answers and failures over the last minute, ending in a run of answers. */
function mixed(failures: Partial<Record<Reason, number>>, answers: number, badRuns = 2): Window[] {
  const reason = (Object.keys(failures) as Reason[])[0] ?? "timeout";
  const bad = Array.from({ length: badRuns }, (_, at) => {
    const ordinal = 2 * at + 1;
    const seen = rememberedOf(reason, NOW_MS - 40_000 + at, {}, { ordinal, length: 1, startedAtMs: NOW_MS - 40_000 });
    return { ...windowOf(at === 0 ? failures : {}, 20_000 + at, seen), lastBad: seen };
  });
  const last = rememberedOf(OK, NOW_MS, {}, { ordinal: 99, outcomeClass: "good", length: 20 });
  return [windowOf({ answered: answers - 1 }, 30_000, null), ...bad, windowOf({ answered: 1 }, 0, last)];
}

describe("a target that answers is degraded", () => {
  it.each<[string, Partial<Record<Reason, number>>, answers: number, badRuns: number, Reason | undefined]>([
    ["by 5 losses of 60", { timeout: 5 }, 55, 2, "timeout"],
    ["not by 4 losses of 60", { timeout: 4 }, 56, 2, undefined],
    ["not by 5 losses of 120", { timeout: 5 }, 115, 2, undefined],
    ["by 6 losses of 120", { timeout: 6 }, 114, 2, "timeout"],
    ["by 3 losses of 10", { timeout: 3 }, 7, 2, "timeout"],
    ["by late answers", { late: 5 }, 55, 2, "late"],
    ["by more late answers than losses", { late: 3, timeout: 2 }, 55, 2, "late"],
    ["by as many losses as late answers", { late: 3, timeout: 3 }, 54, 2, "timeout"],
    ["by unanswered DNS queries of 5 runs", { "dns-timeout": 5 }, 55, 5, "dns-timeout"],
    ["not by unanswered DNS queries of 4 runs", { "dns-timeout": 9 }, 51, 4, undefined],
    ["by more DNS queries than losses", { "dns-timeout": 4, timeout: 2, late: 1 }, 53, 5, "dns-timeout"],
    ["by as many losses as DNS queries", { "dns-timeout": 4, timeout: 3, late: 1 }, 52, 5, "timeout"],
    ["by losses and DNS queries together", { timeout: 3, "dns-timeout": 2 }, 55, 2, "timeout"],
    ["by 3 rejections of 60 in two runs", { "http-status": 3 }, 57, 2, "http-status"],
    ["not by 2 rejections", { "http-status": 2 }, 8, 2, undefined],
    ["not by 3 rejections of 200", { "http-status": 3 }, 197, 2, undefined],
    ["not by rejections of one run, which is an outage that is over", { "http-status": 3 }, 57, 1, undefined],
    ["by the most frequent rejection", { "http-status": 2, reset: 3, timeout: 4 }, 200, 2, "reset"],
    ["by the first in the alphabet of equally frequent ones", { reset: 2, "http-status": 2 }, 56, 2, "http-status"],
    ["not by losses in place of rejections", { timeout: 3, late: 1, "dns-timeout": 9, reset: 2 }, 190, 2, undefined],
    ["not by 2 rejections and a loss", { reset: 2, timeout: 1 }, 57, 2, undefined],
    ["not by 2 rejections and a late answer", { reset: 2, late: 1 }, 57, 2, undefined],
    ["not by 2 rejections and an unanswered DNS query", { reset: 2, "dns-timeout": 1 }, 57, 2, undefined],
    ["by the most frequent rejection, listed first", { reset: 3, "http-status": 2 }, 55, 2, "reset"],
    ["by the first in the alphabet, listed first", { "http-status": 2, reset: 2 }, 56, 2, "http-status"],
    ["not by what the agent missed", { stalled: 30 }, 30, 0, undefined],
  ])("%s", (_, failures, answers, badRuns, reason) => {
    const verdict = verdictOf(mixed(failures, answers, badRuns));
    expect(verdict).toMatchObject(
      reason === undefined
        ? { verdict: "met", cause: "none", reason: OK }
        : { verdict: "degraded", basis: "intermittent", reason, runLength: 20, onsetMs: NOW_MS - 30_000 },
    );
  });

  it("when chance explains the losses with less than chanceMin", () => {
    const chance = binomialTail(5, 60, 0.002);
    expect(verdictOf(mixed({ timeout: 5 }, 55), { chanceMin: chance }).verdict).toBe("met");
    expect(verdictOf(mixed({ timeout: 5 }, 55), { chanceMin: chance * 1.001 }).verdict).toBe("degraded");
  });

  it("when the low end of the interval of rejections exceeds rejectedRatio", () => {
    const [low] = wilsonInterval(3, 60);
    expect(verdictOf(mixed({ reset: 3 }, 57), { rejectedRatio: low }).verdict).toBe("met");
    expect(verdictOf(mixed({ reset: 3 }, 57), { rejectedRatio: low * 0.999 }).verdict).toBe("degraded");
  });

  it("since the start of the earliest window with a failure", () => {
    const failing = [25_000, 15_000].map((agoMs, at) =>
      windowOf({ timeout: 3 }, agoMs, rememberedOf("timeout", NOW_MS - agoMs, {}, { ordinal: 2 * at + 1, length: 1 })),
    );
    const [answers] = mixed({}, 50, 0);
    const earlier = windowOf({ answered: 9 }, 45_000, null);
    const windows = [...failing.toReversed(), earlier, ...(answers ? [answers] : [])];
    expect(verdictOf(windows)).toMatchObject({ verdict: "degraded", onsetMs: NOW_MS - 35_000 });
  });

  it("shows the last bad sample where that is of the reason", () => {
    expect(verdictOf(mixed({ timeout: 5 }, 55)).seen).toMatchObject({ reason: "timeout" });
    expect(verdictOf(mixed({ reset: 1, timeout: 5 }, 55))).toMatchObject({ reason: "timeout", seen: undefined });
  });

  it("has the cause of its reason", () => {
    expect(verdictOf(mixed({ "answer-refused": 9 }, 51)).cause).toBe("dns-refused");
  });
});

describe("after an outage", () => {
  const outage = windowOf(
    { timeout: 5 },
    20_000,
    rememberedOf("timeout", NOW_MS - 20_000, {}, { ordinal: 7, length: 5 }),
  );
  const goodAt = (ordinal: number) => rememberedOf(OK, NOW_MS, {}, { ordinal, outcomeClass: "good", length: 9 });
  const lostAt = (ordinal: number) => rememberedOf("timeout", NOW_MS - 5_000, {}, { ordinal, length: 1 });
  const later = (last: Remembered, lastBad: Remembered | undefined) => ({
    ...windowOf({ answered: 9 }, 0, last),
    lastBad,
  });
  it.each<[string, Window, string]>([
    ["only later windows count", later(goodAt(8), undefined), "met"],
    ["a later loss counts with them", later(goodAt(10), lostAt(9)), "met"],
    [
      "a window that holds the end of the outage counts as a whole if it is the only one",
      {
        ...later({ ...goodAt(8), run: { ...goodAt(8).run, length: 5 } }, lostAt(7)),
        counts: new Map([
          [OK, 9],
          ["timeout", 1],
        ]),
      },
      "degraded",
    ],
  ])("%s", (_, window, verdict) => {
    expect(verdictOf([outage, window]).verdict).toBe(verdict);
  });

  it("a window without a sample does not count", () => {
    const missed = windowOf({ timeout: 9 }, 0, null);
    expect(verdictOf([outage, missed, later(goodAt(8), undefined)]).lookback.counts.get("timeout")).toBeUndefined();
    const mixedUp = { ...windowOf({ timeout: 9 }, 0, lostAt(7)), lastBad: undefined };
    expect(verdictOf([outage, mixedUp, later(goodAt(8), undefined)]).lookback.counts.get("timeout")).toBeUndefined();
  });

  it("all windows count if no outage is remembered or the streak is bad", () => {
    expect(after([...times(9, OK), ...times(9, "timeout")]).lookback.counts.get(OK)).toBe(9);
    expect(after([...times(9, OK), "timeout", ...times(9, OK)]).lookback.counts.get(OK)).toBe(18);
  });
});

describe("the answers of the last good sample", () => {
  const window = (answers: readonly string[] | undefined, endedAgoMs: number, reason: Reason = OK): Window => {
    const evidence: Evidence = answers === undefined ? {} : { answers };
    return windowOf(
      { [reason]: 5 },
      endedAgoMs,
      rememberedOf(reason, NOW_MS - endedAgoMs, evidence, { ...run(reason), ordinal: 1_000 - endedAgoMs }),
    );
  };
  it("are those of the latest attempt, even if the clock was set back before it", () => {
    const before = window(["old"], -9_000);
    const last = before.last && { ...before.last, run: { ...before.last.run, ordinal: 1 } };
    expect(verdictOf([{ ...before, last }, window(["new"], 10), window(["x"], 0, "timeout")]).goodAnswers).toEqual([
      "new",
    ]);
  });

  it.each<[string, Window[], readonly string[] | undefined]>([
    [
      "are those of the latest, for a target that fails",
      [window(["b"], 0, "timeout"), window(["a"], 10), window(["c"], 20)],
      ["a"],
    ],
    ["in any order of the windows", [window(["c"], 20), window(["a"], 10), window(["b"], 0, "timeout")], ["a"]],
    ["may be the present ones, for a target that fails", [window(["a"], 0, "timeout"), window(["a"], 10)], ["a"]],
    [
      "are the latest that differ, for a target that answers",
      [window(["a"], 0), window(["a"], 10), window(["b"], 20), window(["c"], 30)],
      ["b"],
    ],
    ["are none where they never differed", [window(["a"], 0), window(["a"], 10)], undefined],
    ["are none where no sample resolved a name", [window(undefined, 0, "timeout"), window(undefined, 10)], undefined],
    ["are none where no sample was good", [window(["a"], 0, "timeout")], undefined],
    ["are none where no window has a sample", [windowOf({}, 0, null)], undefined],
  ])("%s", (_, windows, answers) => {
    expect(verdictOf(windows).goodAnswers).toEqual(answers);
  });
});

describe("late answers to the last attempts of an outage", () => {
  const edges: readonly (readonly Reason[])[] = [
    ["late"],
    ["syn-lost"],
    ["late", "late"],
    ["late", "syn-lost"],
    ["late", "late", "syn-lost"],
    // A burst has probed four times a second.
    times(11, "syn-lost"),
  ];
  // The outages end within a window, at its end, and after more than a lookback keeps of the good time before.
  it.each(edges.flatMap((edge) => [6, 20, 45].map((lost) => ({ edge, lost }))))(
    "are no loss of their own: $edge after $lost lost",
    ({ edge, lost }) => {
      const verdicts = times(20, OK).map((_, more) => {
        const answers = [...edge, ...times(20, OK)].slice(0, more + 1);
        return after([...times(40, OK), ...times(lost, "timeout"), ...answers]).verdict;
      });
      expect(new Set(verdicts)).toEqual(new Set(["unmet", "met"]));
      expect(verdicts.indexOf("met")).toBeLessThanOrEqual(5);
      expect(verdicts.lastIndexOf("unmet")).toBeLessThan(verdicts.indexOf("met"));
    },
  );

  it("are no loss where the outage before left some too", () => {
    const outage: readonly Reason[] = [...times(8, "timeout"), ...times(8, "syn-lost")];
    const verdicts = times(20, OK).map(
      (_, more) => after([...times(20, OK), ...outage, ...times(5, OK), ...outage, ...times(more + 1, OK)]).verdict,
    );
    expect(new Set(verdicts)).toEqual(new Set(["met"]));
  });
});
