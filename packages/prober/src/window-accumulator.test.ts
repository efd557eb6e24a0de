import { manualClock, type Reason } from "@lifeline/measure";
import { endedCount, WINDOW_MS, type Window } from "@lifeline/window";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EARLY_SEALS_MAX } from "./target-account.ts";
import { sampleOf } from "./testing/samples.ts";
import type { Attempt } from "./watched-attempts.ts";
import { WindowAccumulator } from "./window-accumulator.ts";
import { GATHER_MS } from "./window-sealer.ts";

/** A multiple of WINDOW_MS. */
const EPOCH_MS = 1_800_000_000_000;

function start(wallMs = EPOCH_MS) {
  const clock = manualClock(wallMs);
  const reports: { windows: readonly Window[]; atMs: number }[] = [];
  const accumulator = new WindowAccumulator({
    clock,
    sealed: (windows) => reports.push({ windows, atMs: clock.wallMs() }),
  });
  const attempt = (reason: Reason, id = "a") => {
    return accumulator.ended(accumulator.begun(id), sampleOf(id, clock.wallMs(), reason, 0));
  };
  const windows = () => reports.flatMap((report) => report.windows);
  return { clock, accumulator, reports, attempt, windows };
}

describe("a window's boundary", () => {
  it("is a multiple of ten seconds, and a boundary makes one report", () => {
    const { clock, reports, attempt } = start(EPOCH_MS + 3_000);
    for (let second = 0; second < 27; second++) {
      attempt("answered", "a");
      attempt("answered", "b");
      clock.advance(1_000);
    }
    const full = reports.filter(
      ({ windows }) => windows[0]?.endMs === Math.round((windows[0]?.endMs ?? 0) / WINDOW_MS) * WINDOW_MS,
    );
    expect(full.map(({ windows }) => [windows.length, windows[0]?.endMs])).toEqual([
      [2, EPOCH_MS + 10_000],
      [2, EPOCH_MS + 20_000],
      [2, EPOCH_MS + 30_000],
    ]);
    expect(full[1]?.windows[0]?.startMs).toBe(EPOCH_MS + 10_000);
  });

  it.each([3_600_000, -3_600_000, 7_300, -7_300, 86_400_000 * 365])(
    "comes every ten seconds of real time though the wall clock steps by %i ms (M2)",
    (stepMs) => {
      const { clock, reports, attempt } = start(EPOCH_MS + 3_000);
      for (let second = 0; second < 60; second++) {
        attempt("answered");
        if (second === 12) clock.stepWall(stepMs);
        clock.advance(1_000);
      }
      const early = 1;
      expect(reports.length - early).toBeGreaterThanOrEqual(5);
      expect(reports.length - early).toBeLessThanOrEqual(7);
      for (const { windows } of reports)
        for (const { startMs, endMs } of windows) expect(endMs).toBeGreaterThanOrEqual(startMs);
    },
  );

  it("sends nothing when nothing happened", () => {
    const { clock, reports, attempt } = start();
    attempt("answered");
    clock.advance(60_000);
    expect(reports).toHaveLength(1);
  });
});

describe("an early seal", () => {
  it("comes at once when the outcome turns, and again when the run is confirmed (W2)", () => {
    const { clock, reports, attempt } = start();
    for (let at = 0; at < 4; at++) attempt("answered");
    clock.advance(GATHER_MS);
    reports.length = 0;
    attempt("refused");
    clock.advance(GATHER_MS);
    expect(reports).toHaveLength(1);
    expect(reports[0]?.windows[0]?.last?.run).toMatchObject({ outcomeClass: "bad", length: 1 });
    attempt("refused");
    clock.advance(GATHER_MS);
    expect(reports).toHaveLength(1);
    attempt("refused");
    clock.advance(GATHER_MS);
    expect(reports).toHaveLength(2);
    expect(reports[1]?.windows[0]?.last?.run).toMatchObject({ outcomeClass: "bad", length: 3 });
    attempt("refused");
    clock.advance(GATHER_MS);
    expect(reports).toHaveLength(2);
  });

  it("gathers targets that turn together into one report", () => {
    const { clock, reports, attempt } = start();
    for (const id of ["a", "b", "c"]) attempt("answered", id);
    for (const id of ["a", "b", "c"]) attempt("timeout", id);
    clock.advance(GATHER_MS);
    expect(reports.map(({ windows }) => windows.length)).toEqual([3]);
  });

  it("happens at most twelve times for a target in ten seconds, and loses no sample (S2)", () => {
    const { clock, reports, attempt, accumulator, windows } = start();
    for (let at = 0; at < 90; at++) {
      attempt(at % 2 === 0 ? "answered" : "refused");
      clock.advance(100);
    }
    expect(reports).toHaveLength(EARLY_SEALS_MAX);
    expect(accumulator.stats().suppressedSeals).toBe(89 - EARLY_SEALS_MAX);
    clock.advance(WINDOW_MS);
    expect(windows().reduce((sum, window) => sum + window.started, 0)).toBe(90);
  });

  it("comes once for silence from the start, which shows no evidence rather than no data, and never for silence later (M4)", () => {
    const { clock, reports, attempt } = start();
    for (let at = 0; at < 9; at++) attempt(at % 2 === 0 ? "stalled" : "silent");
    clock.advance(GATHER_MS);
    expect(reports).toHaveLength(1);
    for (let at = 0; at < 5; at++) attempt("answered");
    clock.advance(GATHER_MS);
    reports.length = 0;
    for (let at = 0; at < 9; at++) attempt("silent");
    clock.advance(GATHER_MS);
    expect(reports).toEqual([]);
  });

  it("orders attempts by their begin: a loss that is known late does not break a run of later answers", () => {
    const { clock, accumulator, windows } = start();
    const losses = [accumulator.begun("a"), accumulator.begun("a"), accumulator.begun("a")];
    const answers = [accumulator.begun("a"), accumulator.begun("a"), accumulator.begun("a")];
    for (const pending of answers) {
      expect(accumulator.ended(pending, sampleOf("a", clock.wallMs(), "answered"))).toEqual({
        followed: [],
        needsConfirmation: false,
      });
    }
    const reasons = losses.flatMap((pending) =>
      accumulator
        .ended(pending, sampleOf("a", clock.wallMs(), "timeout"))
        .followed.map(({ run }) => [run.outcomeClass, run.length]),
    );
    expect(reasons).toEqual([
      ["bad", 1],
      ["bad", 2],
      ["bad", 3],
      ["good", 1],
      ["good", 2],
      ["good", 3],
    ]);
    clock.advance(WINDOW_MS);
    expect(windows().reduce((most, { longestLossRun }) => Math.max(most, longestLossRun), 0)).toBe(3);
  });

  it("requests confirmation when an outcome turned, and when the very first one is bad", () => {
    const { attempt } = start();
    expect(attempt("refused").needsConfirmation).toBe(true);
    expect(attempt("refused").needsConfirmation).toBe(false);
    expect(attempt("answered").needsConfirmation).toBe(true);
    expect(attempt("answered", "b").needsConfirmation).toBe(false);
  });
});

describe("a silence that is watched for a late answer", () => {
  const begin = (accumulator: WindowAccumulator, count: number) =>
    Array.from({ length: count }, () => accumulator.begun("a"));

  it("is no loss until its end; then the run tells how many after it are silent too (M3)", () => {
    const { clock, accumulator, reports, windows } = start();
    const [first, second, third] = begin(accumulator, 3) as [Attempt, Attempt, Attempt];
    for (const attempt of [first, second, third]) accumulator.silent("a", attempt, "192.0.2.1");
    clock.advance(GATHER_MS);
    expect(reports).toEqual([]);
    accumulator.ended(first, sampleOf("a", clock.wallMs(), "timeout"));
    clock.advance(GATHER_MS);
    expect(windows()).toMatchObject([{ started: 3, last: { run: { length: 1, watched: 2 } } }]);
    expect(windows()[0]?.counts).toEqual(new Map([["timeout", 1]]));
  });

  it("seals again once the third is silent, though it began to be so after the first was lost", () => {
    const { clock, accumulator, windows } = start();
    accumulator.ended(accumulator.begun("a"), sampleOf("a", clock.wallMs(), "answered"));
    const [first, second, third] = begin(accumulator, 3) as [Attempt, Attempt, Attempt];
    accumulator.silent("a", first, "192.0.2.1");
    accumulator.silent("a", second, "192.0.2.1");
    accumulator.ended(first, sampleOf("a", clock.wallMs(), "timeout"));
    clock.advance(GATHER_MS);
    expect(windows().at(-1)?.last?.run).toMatchObject({ length: 1, watched: 1 });
    accumulator.silent("a", third, "192.0.2.1");
    clock.advance(GATHER_MS);
    expect(windows().at(-1)).toMatchObject({ started: 0, last: { run: { length: 1, watched: 2 } } });
    expect(windows()).toHaveLength(2);
  });

  it.each([
    ["another answered in between", "answered", 0],
    ["another was not measured in between", "stalled", 1],
    ["another was late in between", "late", 0],
  ] as const)("counts only those in a row: %s", (_, reason, watched) => {
    const { clock, accumulator } = start();
    const [first, second, third] = begin(accumulator, 3) as [Attempt, Attempt, Attempt];
    accumulator.silent("a", first, "192.0.2.1");
    accumulator.silent("a", third, "192.0.2.1");
    accumulator.ended(second, sampleOf("a", clock.wallMs(), reason));
    const { followed } = accumulator.ended(first, sampleOf("a", clock.wallMs(), "timeout"));
    expect(followed[0]?.run).toMatchObject({ length: 1, watched });
  });

  it("that ends with a late answer is no outage, whatever is silent after it", () => {
    const { clock, accumulator } = start();
    const [first, second, third] = begin(accumulator, 3) as [Attempt, Attempt, Attempt];
    for (const attempt of [first, second, third]) accumulator.silent("a", attempt, "192.0.2.1");
    const { followed } = accumulator.ended(first, sampleOf("a", clock.wallMs(), "late"));
    expect(followed[0]?.run).toMatchObject({ outcomeClass: "good", watched: 0 });
  });

  it("proves nothing where answers are late: each is watched to its end", () => {
    const { clock, accumulator } = start();
    accumulator.ended(accumulator.begun("a"), sampleOf("a", clock.wallMs(), "late"));
    const [first, second, third] = begin(accumulator, 3) as [Attempt, Attempt, Attempt];
    for (const attempt of [first, second, third]) accumulator.silent("a", attempt, "192.0.2.1");
    const { followed } = accumulator.ended(first, sampleOf("a", clock.wallMs(), "timeout"));
    expect(followed[0]?.run).toMatchObject({ outcomeClass: "bad", length: 1, watched: 0 });
  });

  it("asks for one burst, at the first of them, and for none where answers are known to be late", () => {
    const { clock, accumulator } = start();
    const [first, second] = begin(accumulator, 2) as [Attempt, Attempt];
    expect(accumulator.silent("a", first, "192.0.2.1")).toBe(true);
    expect(accumulator.silent("a", second, "192.0.2.1")).toBe(false);
    expect(accumulator.ended(first, sampleOf("a", clock.wallMs(), "timeout")).needsConfirmation).toBe(false);
    accumulator.ended(second, sampleOf("a", clock.wallMs(), "late"));
    const [next] = begin(accumulator, 1) as [Attempt];
    expect(accumulator.silent("a", next, "192.0.2.1")).toBe(false);
  });
});

describe("the runs of several addresses", () => {
  const ADDRESSES = ["192.0.2.1", "192.0.2.2"];
  const at = (accumulator: WindowAccumulator, address: string, reason: Reason) => {
    const sample = sampleOf("a", EPOCH_MS, reason);
    return accumulator.ended(accumulator.begun("a"), { ...sample, evidence: { address, addresses: ADDRESSES } });
  };

  it("turn by themselves: one dead address of two does not seal a window at each attempt", () => {
    const { clock, accumulator, reports, windows } = start();
    for (let turn = 0; turn < 20; turn += 1) {
      at(accumulator, "192.0.2.1", "answered");
      at(accumulator, "192.0.2.2", turn < 5 ? "answered" : "timeout");
      clock.advance(GATHER_MS);
    }
    // At the dead one's turn, and when that is confirmed.
    expect(reports).toHaveLength(2);
    const last = new Map(windows().flatMap(({ addresses }) => [...addresses]));
    expect(last.get("192.0.2.1")?.last.run).toMatchObject({ outcomeClass: "good" });
    expect(last.get("192.0.2.2")?.last.run).toMatchObject({ outcomeClass: "bad" });
  });

  it("say which address is silent while its attempts are watched", () => {
    const { clock, accumulator, windows } = start();
    for (const address of ADDRESSES) at(accumulator, address, "answered");
    const attempts = Array.from({ length: 4 }, () => accumulator.begun("a"));
    for (const [turn, attempt] of attempts.entries()) {
      accumulator.silent("a", attempt, ADDRESSES[turn % 2] as string);
    }
    const lost = { ...sampleOf("a", EPOCH_MS, "timeout"), evidence: { address: "192.0.2.1", addresses: ADDRESSES } };
    accumulator.ended(attempts[0] as Attempt, lost);
    const late = accumulator.begun("a");
    accumulator.silent("a", late, "192.0.2.1");
    clock.advance(WINDOW_MS);
    const last = new Map(windows().flatMap(({ addresses }) => [...addresses]));
    expect(last.get("192.0.2.1")?.last.run).toMatchObject({ outcomeClass: "bad", length: 1, watched: 2 });
    expect(last.get("192.0.2.2")?.last.run).toMatchObject({ outcomeClass: "good", watched: 2 });
  });
});

describe("the windows of an accumulator", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("begin" as const), id: fc.constantFrom("a", "b") }),
    fc.record({
      kind: fc.constant("end" as const),
      id: fc.constantFrom("a", "b"),
      reason: fc.constantFrom<Reason>("answered", "refused", "timeout", "silent", "stalled"),
      which: fc.nat(20),
    }),
    fc.record({ kind: fc.constant("miss" as const), id: fc.constantFrom("a", "b") }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 4_000 }) }),
    fc.record({ kind: fc.constant("step" as const), ms: fc.integer({ min: -1e6, max: 1e6 }) }),
  );

  it("add up to the attempts begun, ended and missed (M3)", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { clock, accumulator, windows } = start();
        const open = new Map<string, Attempt[]>([
          ["a", []],
          ["b", []],
        ]);
        const total = { begun: 0, ended: 0, missed: 0 };
        const act = {
          wait: (next: { ms: number }) => clock.advance(next.ms),
          step: (next: { ms: number }) => clock.stepWall(next.ms),
          miss({ id }: { id: string }) {
            accumulator.missed(id, 2);
            total.missed += 2;
          },
          begin({ id }: { id: string }) {
            open.get(id)?.push(accumulator.begun(id));
            total.begun += 1;
          },
          end({ id, reason, which }: { id: string; reason: Reason; which: number }) {
            const inFlight = open.get(id) ?? [];
            const [pending] = inFlight.splice(which % Math.max(1, inFlight.length), 1);
            if (pending === undefined) return;
            accumulator.ended(pending, sampleOf(id, clock.wallMs(), reason));
            total.ended += 1;
          },
        };
        for (const next of steps) act[next.kind](next as never);
        accumulator.stop();
        const sum = (count: (window: Window) => number) => windows().reduce((all, window) => all + count(window), 0);
        expect(sum((window) => window.started)).toBe(total.begun);
        expect(sum(endedCount)).toBe(total.ended);
        expect(sum((window) => window.missedTicks)).toBe(total.missed);
      }),
      { numRuns: 100 },
    );
  });

  it("are not sealed after stopping: what ends then was in flight", () => {
    const { clock, accumulator, reports, attempt } = start();
    attempt("answered");
    const pending = accumulator.begun("a");
    accumulator.stop();
    accumulator.ended(pending, sampleOf("a", EPOCH_MS, "refused"));
    clock.advance(WINDOW_MS);
    expect(reports).toHaveLength(1);
  });

  it("outlive their target, and so does its run, until its attempts have ended", () => {
    const { clock, accumulator, windows, attempt } = start();
    attempt("refused");
    clock.advance(WINDOW_MS);
    const pending = accumulator.begun("a");
    accumulator.retain(new Set());
    clock.advance(WINDOW_MS);
    expect(accumulator.ended(pending, sampleOf("a", EPOCH_MS, "answered")).followed[0]?.turned).toBe(true);
    clock.advance(WINDOW_MS);
    expect(windows().map((window) => [window.started, endedCount(window)])).toEqual([
      [1, 1],
      [1, 0],
      [0, 1],
    ]);
  });
});
