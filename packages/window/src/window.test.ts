import {
  type DirectionCounts,
  outcomeClassOf,
  REASONS,
  type Reason,
  reasonFacts,
  type Sample,
} from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ADDRESSES_MAX, NO_ADDRESSES } from "./address-runs.ts";
import { binomialTail, wilsonInterval } from "./loss-ratio.ts";
import { type FollowedSample, followRun, type Run, runOf } from "./outcome-run.ts";
import { bucketIndex, bucketUpperNs, SKETCH_MAX_BUCKETS, SKETCH_MAX_NS, SKETCH_RELATIVE_ERROR } from "./sketch.ts";
import {
  emptyWindow,
  lossOf,
  mergeAllWindows,
  mergeWindows,
  rttCount,
  rttQuantileNs,
  type Window,
  watchedWindow,
  windowOf,
} from "./window.ts";

const TARGET = "machine-api|tcp|127.0.0.1:443|ipv4";

function sampleOf(
  reason: Reason,
  startedAtMs: number,
  rttNs?: number,
  directions?: DirectionCounts,
  address = "127.0.0.1",
): Sample {
  return {
    targetId: TARGET,
    startedAtMs,
    endedAtMs: startedAtMs + 1,
    outcome: { reason, phase: "connect" },
    ...(rttNs === undefined ? {} : { rtt: { ns: rttNs, source: "kernel" as const } }),
    phases: rttNs === undefined ? {} : { connectNs: rttNs },
    evidence: { address },
    ...(directions === undefined ? {} : { directions }),
  };
}

const DIRECTIONS = {
  forwardSent: fc.nat(9),
  forwardLost: fc.nat(9),
  returnSent: fc.nat(9),
  returnLost: fc.nat(9),
  duplicates: fc.nat(9),
  reordered: fc.nat(9),
};

const samples = fc
  .array(
    fc.record({
      reason: fc.constantFrom(...REASONS),
      gapMs: fc.integer({ min: 0, max: 2_000 }),
      rttNs: fc.option(fc.integer({ min: 1, max: 60_000_000_000 }), { nil: undefined }),
      directions: fc.option(fc.record(DIRECTIONS), { nil: undefined }),
      // More than a window keeps.
      host: fc.nat(2 * ADDRESSES_MAX),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((steps) => {
    let atMs = 1_000_000;
    return steps.map(({ reason, gapMs, rttNs, directions, host }) => {
      atMs += gapMs;
      return sampleOf(reason, atMs, rttNs, directions, `10.0.0.${host}`);
    });
  });

const times = (count: number, reason: Reason): Reason[] => Array.from({ length: count }, () => reason);

function follow(list: readonly Sample[]): FollowedSample[] {
  let run: Run | undefined;
  const byAddress = new Map<string, Run>();
  return list.map((sample) => {
    const followed = followRun(run, sample);
    run = followed.run;
    const { address = "" } = sample.evidence;
    const addressRun = followRun(byAddress.get(address), sample).run;
    byAddress.set(address, addressRun);
    return { ...followed, addressRun };
  });
}

/** The notes that follow a sample when the attempts after it stay silent, one after another. */
function notesOf({ sample, run }: FollowedSample, watched: number): Window[] {
  const { reason, phase } = sample.outcome;
  const last = { endedAtMs: sample.endedAtMs, reason, phase, run, evidence: sample.evidence };
  return Array.from({ length: watched }, (_, at) =>
    watchedWindow(TARGET, sample.startedAtMs, { ...last, run: { ...runOf(run), watched: at + 1 } }, NO_ADDRESSES),
  );
}

function replay(followed: readonly FollowedSample[]): Window {
  const pieces = followed.map((one) => windowOf(one, one.sample.startedAtMs, one.sample.endedAtMs));
  return pieces.reduce(mergeWindows);
}

describe("windows merge (W1)", () => {
  it("any split, merged in any order, equals the replay of all samples", () => {
    fc.assert(
      fc.property(samples, fc.array(fc.nat(), { maxLength: 6 }), fc.infiniteStream(fc.nat()), (list, cuts, dice) => {
        const followed = follow(list);
        const bounds = [0, ...cuts.map((cut) => cut % (list.length + 1)).sort((a, b) => a - b), list.length];
        const parts = bounds
          .slice(1)
          .map((end, at) => followed.slice(bounds[at], end))
          .filter((part) => part.length > 0)
          .map(replay);
        while (parts.length > 1) {
          const a = parts.splice(dice.next().value % parts.length, 1)[0] as Window;
          const b = parts.splice(dice.next().value % parts.length, 1)[0] as Window;
          parts.push(mergeWindows(a, b));
        }
        expect(parts[0]).toEqual(replay(followed));
      }),
    );
  });

  it("notes of watched attempts may arrive in any order, and the later sample wins", () => {
    fc.assert(
      fc.property(
        samples,
        fc.array(fc.nat(3), { minLength: 60, maxLength: 60 }),
        fc.infiniteStream(fc.nat()),
        (list, watched, dice) => {
          const followed = follow(list);
          const pieces = followed.flatMap((one, at) => [replay([one]), ...notesOf(one, watched[at] ?? 0)]);
          const shuffled = [...pieces];
          for (let at = shuffled.length - 1; at > 0; at -= 1) {
            const other = dice.next().value % (at + 1);
            [shuffled[at], shuffled[other]] = [shuffled[other] as Window, shuffled[at] as Window];
          }
          const merged = shuffled.reduce(mergeWindows);
          expect(merged).toEqual(pieces.reduce(mergeWindows));
          expect(merged.counts).toEqual(replay(followed).counts);
          const measured = list.findLastIndex(({ outcome }) => outcomeClassOf(outcome.reason) !== "inconclusive");
          const at = measured === -1 ? list.length - 1 : measured;
          expect(merged.last?.run).toEqual({ ...runOf((followed[at] as FollowedSample).run), watched: watched[at] });
        },
      ),
    );
  });

  it("keeps the addresses with the latest runs, and no more than ADDRESSES_MAX", () => {
    const list = Array.from({ length: 40 }, (_, at) => sampleOf("answered", at * 1_000, 1, undefined, `10.0.0.${at}`));
    const { addresses } = replay(follow(list));
    expect([...addresses.keys()]).toEqual(
      Array.from({ length: ADDRESSES_MAX }, (_, at) => `10.0.0.${at + 40 - ADDRESSES_MAX}`),
    );
  });

  it("keeps no address for a host with one", () => {
    const { addressRun: _, ...single } = follow([sampleOf("answered", 0)])[0] as FollowedSample;
    expect(replay([single]).addresses.size).toBe(0);
  });

  it("merging all at once equals merging one by one", () => {
    fc.assert(
      fc.property(samples, (list) => {
        const pieces = follow(list).map((one) => windowOf(one, one.sample.startedAtMs, one.sample.endedAtMs));
        const neutral = emptyWindow(TARGET, 2_000_000, 0);
        expect(mergeAllWindows(neutral, pieces)).toEqual(pieces.reduce(mergeWindows, neutral));
      }),
    );
  });

  it("an empty window of the same time changes nothing", () => {
    fc.assert(
      fc.property(samples, (list) => {
        const whole = replay(follow(list));
        expect(mergeWindows(whole, emptyWindow(TARGET, whole.startMs, whole.endMs))).toEqual(whole);
      }),
    );
  });
});

describe("the latency sketch", () => {
  it("every value lies in its bucket, and there are no more buckets than stated", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: SKETCH_MAX_NS }), (ns) => {
        const index = bucketIndex(ns);
        expect(ns).toBeLessThanOrEqual(bucketUpperNs(index) * (1 + 1e-12));
        expect(ns).toBeGreaterThan(bucketUpperNs(index - 1) * (1 - 1e-12));
      }),
    );
    expect(bucketIndex(SKETCH_MAX_NS) - bucketIndex(1) + 1).toBe(SKETCH_MAX_BUCKETS);
    expect(bucketIndex(Number.MAX_SAFE_INTEGER)).toBe(bucketIndex(SKETCH_MAX_NS));
  });

  it("each quantile is within the stated error of the sample of that rank", () => {
    const rtts = fc.array(fc.integer({ min: 1_000, max: 3_000_000_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(rtts, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const window = replay(follow(values.map((ns, at) => sampleOf("answered", at, ns))));
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(q * values.length) - 1)] as number;
        const estimate = rttQuantileNs(window, q) as number;
        expect(Math.abs(estimate - exact) / exact).toBeLessThanOrEqual(SKETCH_RELATIVE_ERROR + 1e-9);
        expect(rttCount(window)).toBe(values.length);
      }),
    );
  });
});

describe("loss", () => {
  it.each([
    { hits: 0, trials: 0, low: 0, high: 1 },
    { hits: 0, trials: 10, low: 0, high: 0.2775 },
    { hits: 1, trials: 10, low: 0.0179, high: 0.4042 },
    { hits: 5, trials: 100, low: 0.0215, high: 0.1118 },
    { hits: 10, trials: 10, low: 0.7225, high: 1 },
  ])("$hits of $trials has the published Wilson interval", ({ hits, trials, low, high }) => {
    const [gotLow, gotHigh] = wilsonInterval(hits, trials);
    expect(gotLow).toBeCloseTo(low, 4);
    expect(gotHigh).toBeCloseTo(high, 4);
  });

  it.each([
    { hits: 0, trials: 60, chance: 1 },
    // Three heads of three, and two or three of three.
    { hits: 3, trials: 3, probability: 0.5, chance: 0.125 },
    { hits: 2, trials: 3, probability: 0.5, chance: 0.5 },
    // By hand: 1 - 0.998^60.
    { hits: 1, trials: 60, chance: 0.11317 },
    { hits: 5, trials: 4, chance: 0 },
  ])("the binomial tail is the chance of $hits or more of $trials", ({ hits, trials, probability = 0.002, chance }) => {
    expect(binomialTail(hits, trials, probability)).toBeCloseTo(chance, 4);
  });

  it("not sent, late, silent and lost are four different counts, and silence is outside the ratio (M3, M4)", () => {
    const reasons: Reason[] = ["answered", "timeout", "late", "silent", "stalled", "dns-nxdomain", "refused"];
    const loss = lossOf(replay(follow(reasons.map((reason, at) => sampleOf(reason, at * 1_000)))));
    expect(loss).toMatchObject({ sent: 5, lost: 1, late: 1, silent: 1, notSent: 2, ratio: 0.25 });
  });

  it("nothing sent gives no ratio and the whole interval (M4)", () => {
    const loss = lossOf(replay(follow([sampleOf("dns-timeout", 0)])));
    expect(loss.ratio).toBeUndefined();
    expect(loss.interval).toEqual([0, 1]);
  });
});

describe("runs", () => {
  const cases: { name: string; reasons: Reason[]; run: Partial<Run>; turns: number[] }[] = [
    { name: "a first sample does not turn", reasons: ["timeout"], run: { outcomeClass: "bad", length: 1 }, turns: [] },
    {
      name: "good to bad turns",
      reasons: ["answered", "refused", "timeout"],
      run: { outcomeClass: "bad", length: 2, startedAtMs: 1_000 },
      turns: [1],
    },
    {
      name: "the agent's own trouble does not turn (M3)",
      reasons: ["answered", "stalled", "answered"],
      run: { outcomeClass: "good", length: 2, startedAtMs: 0 },
      turns: [],
    },
    {
      name: "a good run after a bad one begins when its first attempt was answered, which may have begun before",
      reasons: ["timeout", "syn-lost", "answered"],
      run: { outcomeClass: "good", length: 2, startedAtMs: 1_001 },
      turns: [1],
    },
    {
      name: "a short silence does not end a bad run: a rate limit may have withheld the ICMP error",
      reasons: ["refused", ...times(10, "silent"), "refused"],
      run: { outcomeClass: "bad", length: 2, startedAtMs: 0 },
      turns: [],
    },
    {
      name: "a silence of more than ten seconds ends a bad run, from its own start",
      reasons: ["refused", ...times(11, "silent")],
      run: { outcomeClass: "silent", length: 11, startedAtMs: 1_000 },
      turns: [11],
    },
    {
      name: "a refusal after such a silence is a run of its own",
      reasons: ["refused", ...times(11, "silent"), "refused"],
      run: { outcomeClass: "bad", length: 1, startedAtMs: 12_000 },
      turns: [11, 12],
    },
    {
      name: "losses after refusals are a state of their own, from the first of three",
      reasons: ["refused", "refused", ...times(3, "timeout")],
      run: { length: 5, startedAtMs: 0, stateLength: 3, stateStartedAtMs: 2_000 },
      turns: [],
    },
    {
      name: "two losses after refusals prove no other state",
      reasons: ["refused", "refused", ...times(2, "timeout")],
      run: { length: 4, stateLength: 2, stateStartedAtMs: 0 },
      turns: [],
    },
    {
      name: "an attempt that was not measured does not interrupt the proof of another state (M3)",
      reasons: ["refused", "refused", "timeout", "stalled", "timeout", "timeout"],
      run: { length: 5, stateLength: 3, stateStartedAtMs: 2_000 },
      turns: [],
    },
    {
      name: "losses between ICMP errors are of the same state, because these are rate-limited",
      reasons: ["host-unreachable", ...times(4, "timeout"), "host-unreachable", ...times(4, "timeout")],
      run: { length: 10, stateLength: 2, stateStartedAtMs: 0 },
      turns: [],
    },
    {
      name: "losses after ICMP errors are a state of their own after ten seconds",
      reasons: ["host-unreachable", ...times(11, "timeout")],
      run: { length: 12, stateLength: 11, stateStartedAtMs: 1_000 },
      turns: [],
    },
    {
      name: "two refusals after losses are a state of their own",
      reasons: [...times(5, "timeout"), "refused", "refused"],
      run: { length: 7, stateLength: 2, stateStartedAtMs: 5_000 },
      turns: [],
    },
    {
      name: "inconclusive then good turns",
      reasons: ["silent", "silent", "answered"],
      run: { outcomeClass: "good", length: 1, startedAtMs: 2_000 },
      turns: [2],
    },
    {
      name: "a loss run ends at an answer",
      reasons: ["timeout", "timeout", "answered", "timeout"],
      run: { lossRun: 1 },
      turns: [2, 3],
    },
  ];
  it.each(cases)("$name", ({ reasons, run, turns }) => {
    const followed = follow(reasons.map((reason, at) => sampleOf(reason, at * 1_000)));
    expect(followed.at(-1)?.run).toMatchObject(run);
    expect(followed.flatMap((one, at) => (one.turned ? [at] : []))).toEqual(turns);
  });

  it("attempts that a server resets at once prove no other state together", () => {
    const lasting = (reason: Reason, startedAtMs: number, endedAtMs: number) => {
      return { ...sampleOf(reason, startedAtMs), endedAtMs };
    };
    const hung = [0, 1_000, 2_000].map((atMs) => lasting("handshake-timeout", atMs, atMs + 4_000));
    const ended = [3_000, 4_000, 5_000].map((atMs) => lasting("reset", atMs, 6_500));
    expect(follow([...hung, ...ended]).at(-1)?.run).toMatchObject({ length: 6, stateLength: 3, stateStartedAtMs: 0 });
    const begun = lasting("reset", 7_000, 7_001);
    const { run } = follow([...hung, ...ended, begun]).at(-1) as FollowedSample;
    expect(run).toMatchObject({ length: 7, stateLength: 2, stateStartedAtMs: 3_000 });
  });

  it("a clock that is set back hides no other state (M2)", () => {
    const before = times(3, "timeout").map((reason, at) => sampleOf(reason, 1_000_000 + at * 1_000));
    const after = times(2, "refused").map((reason, at) => sampleOf(reason, at * 1_000));
    expect(follow([...before, ...after]).at(-1)?.run).toMatchObject({ length: 5, stateLength: 2 });
  });

  it("a sample that was not measured hides no other (M3)", () => {
    const reasons: Reason[] = ["answered", ...times(9, "timeout"), "stalled", "agent-overload"];
    const followed = follow(reasons.map((reason, at) => sampleOf(reason, at * 1_000)));
    const lost = { reason: "timeout", run: { length: 9 } };
    expect(replay(followed)).toMatchObject({ last: lost, lastBad: lost });
    expect(replay(followed.slice(-2))).toMatchObject({ last: { reason: "agent-overload" }, lastBad: undefined });
    expect(replay(followed.slice(0, 1).concat(followed.slice(-2))).last?.reason).toBe("answered");
  });

  it("the latest bad sample is one of the run's state", () => {
    const followed = follow(["refused", "refused", "timeout"].map((reason, at) => sampleOf(reason as Reason, at)));
    const { last, lastBad } = replay(followed);
    expect([last?.reason, lastBad?.reason]).toEqual(["timeout", "refused"]);
  });

  it("the latest sample is the one that began last, even if an earlier loss ended after it", () => {
    const lost = { ...sampleOf("timeout", 1_000), endedAtMs: 1_950 };
    const answered = [1_250, 1_500].map((atMs) => sampleOf("answered", atMs));
    const window = replay(follow([lost, ...answered]));
    expect(window.last).toMatchObject({ reason: "answered", run: { outcomeClass: "good", length: 2 } });
    expect(window.lastBad).toMatchObject({ reason: "timeout", endedAtMs: 1_950 });
  });

  it("runs keep their order when the wall clock is set back (M2)", () => {
    const reasons: Reason[] = ["answered", "answered", "refused", "refused"];
    const followed = follow(reasons.map((reason, at) => sampleOf(reason, at < 2 ? 10_000_000 + at : 1_000 + at)));
    const before = replay(followed.slice(0, 2));
    const after = replay(followed.slice(2));
    expect(mergeWindows(before, after).last).toMatchObject({
      reason: "refused",
      run: { outcomeClass: "bad", length: 2 },
    });
    expect(mergeWindows(after, before)).toEqual(mergeWindows(before, after));
  });

  it("a round trip beyond the sketch's range counts as the largest value", () => {
    const window = replay(follow([sampleOf("answered", 0, SKETCH_MAX_NS * 2)]));
    expect(window.rtt).toMatchObject({ minNs: SKETCH_MAX_NS, maxNs: SKETCH_MAX_NS, sumNs: SKETCH_MAX_NS });
  });

  it("bursts and the longest loss run are those of the sample sequence, wherever windows end", () => {
    const reasons: Reason[] = [
      "answered",
      "timeout",
      "timeout",
      "answered",
      "timeout",
      "timeout",
      "timeout",
      "answered",
    ];
    const followed = follow(reasons.map((reason, at) => sampleOf(reason, at * 1_000)));
    const merged = mergeWindows(replay(followed.slice(5)), replay(followed.slice(0, 5)));
    expect(merged).toMatchObject({ lossBursts: 2, longestLossRun: 3 });
  });
});

describe("the tables of reasons agree", () => {
  it.each(REASONS.map((reason) => ({ reason })))(
    "the outcome class of $reason agrees with its kind and blame",
    ({ reason }) => {
      const { kind, blame, cause } = reasonFacts(reason);
      expect(outcomeClassOf(reason) === "good").toBe(cause === "none" || reason === "late" || reason === "syn-lost");
      expect(cause === "none").toBe(kind === "answered" || reason === "link-alive");
      if (blame === "agent") expect(kind).toBe("not-sent");
    },
  );
});
