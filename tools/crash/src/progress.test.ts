import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { Progress, type Step } from "./progress.ts";
import { durationText, runSizeOf, secondsLeft } from "./run-estimate.ts";

function run(isTTY: boolean) {
  const clock = manualClock(0);
  let text = "";
  const output = { isTTY, write: (more: string) => (text += more) };
  const progress = new Progress(runSizeOf(200), output, clock);
  const round = (number: number): Step => ({ kind: "round", number, what: "reset" });
  return { clock, progress, round, text: () => text };
}

describe("the start of a run", () => {
  it("prints what the run does, how long it takes, and the figures behind the estimate", () => {
    const { progress, text } = run(false);
    progress.announce(7);
    expect(text()).toContain("crash: 200 rounds (seed 7)");
    expect(text()).toContain("then 40 enrolments");
    expect(text()).toContain("about 9 min: 2 s a round and 4 s an enrolment");
  });
});

describe("progress where stderr is no terminal", () => {
  it("has the first step, one every ten seconds, and the last", () => {
    const { clock, progress, round, text } = run(false);
    for (let number = 1; number <= 200; number += 1) {
      progress.step(round(number));
      clock.advance(1_000);
    }
    const numbers = text()
      .split("\n")
      .flatMap((line) => /round (\d+) of 200/.exec(line)?.[1] ?? []);
    expect(numbers).toEqual([...Array.from({ length: 20 }, (_, at) => String(at * 10 + 1)), "200"]);
  });

  it("has what is elapsed and about how long is left, by the run's own pace", () => {
    const { clock, progress, round, text } = run(false);
    progress.step(round(1));
    clock.advance(280_000);
    progress.step(round(101));
    expect(text()).toBe(
      "crash: round 1 of 200, reset; 0 s elapsed, about 9 min left\n" +
        "crash: round 101 of 200, reset; 5 min elapsed, about 8 min left\n",
    );
  });

  it("prints the step that a run ended in, once", () => {
    const { progress, round, text } = run(false);
    for (const number of [1, 2]) progress.step(round(number));
    progress.end();
    progress.end();
    expect(text().match(/round \d/g)).toEqual(["round 1", "round 2"]);
  });

  it("prints each part of the run at once", () => {
    const { progress, round, text } = run(false);
    progress.step(round(1));
    progress.step({ kind: "drain", number: 1, what: "waiting for the last reports" });
    progress.step({ kind: "enrolment", number: 1, what: "" });
    expect(text()).toContain("all 200 rounds played, waiting for the last reports; ");
    expect(text()).toContain("enrolment 1 of 40; ");
  });
});

describe("progress on a terminal", () => {
  it("is one line that is written over, and ended once", () => {
    const { progress, round, text } = run(true);
    for (const number of [1, 2]) progress.step(round(number));
    progress.end();
    const lines = text().split("\r\u001b[K");
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/^crash: round 2 of 200, reset; .* left\n$/);
  });
});

describe("an estimate", () => {
  const usual = { roundSeconds: 1, enrolmentSeconds: 3 };
  const size = { rounds: 100, enrolments: 20 };

  it.each([
    [{ rounds: 0, enrolments: 0 }, 0, 160],
    [{ rounds: 4, enrolments: 0 }, 900, 156],
    [{ rounds: 50, enrolments: 0 }, 100, 220],
    [{ rounds: 100, enrolments: 10 }, 260, 60],
  ])("after %j in %s s is %s s", (done, elapsedSeconds, left) => {
    expect(secondsLeft(size, done, elapsedSeconds, usual)).toBeCloseTo(left, 6);
  });

  it.each([
    [0, "0 s"],
    [119, "119 s"],
    [120, "2 min"],
    [7_200, "2.0 h"],
  ])("of %s s is written %s", (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });
});
