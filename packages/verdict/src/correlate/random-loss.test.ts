import { lossOf, NO_DIRECTIONS } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { type EntryParts, entryOf, lookbackOf, STAMP, targetOf } from "../testing/judgement-fixture.ts";
import { withRandomLoss } from "./random-loss.ts";

const counts = { answered: 40, timeout: 10, late: 2, silent: 7, "dns-timeout": 3 };
const directions = (forwardLost: number, returnLost: number, sent = 50) => ({
  directions: { ...NO_DIRECTIONS, forwardSent: sent, forwardLost, returnSent: sent, returnLost },
});
const lossy = (
  more: Parameters<typeof lookbackOf>[1] = {},
  parts: EntryParts = {},
  of: Parameters<typeof lookbackOf>[0] = counts,
) =>
  withRandomLoss(
    entryOf(targetOf(STAMP), {
      verdict: "degraded",
      cause: "timeout",
      ...parts,
      own: { reason: "timeout", lookback: lookbackOf(of, more), ...parts.own },
    }),
  );

describe("random loss", () => {
  it("is named with its bursts, the smallest visible loss, and what does not count", () => {
    expect(lossOf(lookbackOf(counts))).toMatchObject({ sent: 59, silent: 7 });
    expect(lossy({ lossBursts: 3, longestLossRun: 4 })).toMatchObject({
      verdict: "degraded",
      cause: "loss",
      evidence:
        "Seen. Losses came in 3 bursts: mean length 3.3, longest 4. The smallest loss visible here is 1.9 %." +
        " Late: 2; not sent: 3; neither counts as lost.",
      nextStep:
        "Network team: look for a lossy link, a full queue or a rate limit between this node and omni.test:443.",
    });
  });

  it.each<[string, Parameters<typeof lookbackOf>[1], Parameters<typeof lookbackOf>[0], string]>([
    ["counts a burst that began before the lookback", {}, counts, "Losses came in 1 bursts: mean length 10,"],
    ["counts such a burst of one loss", {}, { timeout: 1 }, "Losses came in 1 bursts: mean length 1,"],
    ["has no burst without a loss", {}, { late: 5, answered: 55 }, "Losses came in 0 bursts: mean length 0,"],
    ["says nothing of visible loss without a trial", {}, { silent: 5 }, "longest 0. Late: 0;"],
    ["says what one loss of a single trial would be", {}, { timeout: 1 }, "visible here is 100 %."],
  ])("%s", (_, more, of, part) => {
    expect(lossy(more, {}, of).evidence).toContain(part);
  });

  it.each<[string, EntryParts]>([
    ["a target that is unmet", { verdict: "unmet" }],
    ["a target that answers late", { own: { reason: "late" } }],
    ["a target that is met", { verdict: "met", cause: "none", own: { reason: "answered" } }],
  ])("is not the cause of %s", (_, parts) => {
    expect(lossy({}, parts)).toMatchObject({ evidence: "Seen.", cause: parts.cause ?? "timeout" });
  });
});

describe("the direction of loss", () => {
  it.each<[string, Parameters<typeof lookbackOf>[1], string, string]>([
    [
      "is forward",
      directions(20, 0),
      " By direction: forward 20 of 50 lost (95 % interval 28 % to 54 %), return 0 of 50 lost (95 % interval 0 % to 7.1 %).",
      "omni.test:443, in the forward direction.",
    ],
    [
      "is return",
      directions(0, 20),
      " By direction: forward 0 of 50 lost (95 % interval 0 % to 7.1 %), return 20 of 50 lost (95 % interval 28 % to 54 %).",
      "omni.test:443, in the return direction.",
    ],
    ["is unknown if the intervals overlap", directions(9, 5), "forward 9 of 50 lost", "omni.test:443."],
    ["is unknown if they overlap the other way", directions(5, 9), "return 9 of 50 lost", "omni.test:443."],
    [
      "tolerates counts that contradict each other",
      directions(60, 60),
      "forward 60 of 50 lost (95 % interval 93 % to 100 %)",
      "omni.test:443.",
    ],
    [
      "is read with one direction alone",
      { directions: { ...NO_DIRECTIONS, forwardSent: 9, forwardLost: 1 } },
      "forward 1 of 9 lost",
      "omni.test:443.",
    ],
    [
      "is read with the other alone",
      { directions: { ...NO_DIRECTIONS, returnSent: 9, returnLost: 1 } },
      "return 1 of 9 lost",
      "omni.test:443.",
    ],
  ])("%s", (_, more, evidence, nextStep) => {
    const found = lossy(more);
    expect(found.evidence).toContain(evidence);
    expect(found.nextStep.endsWith(nextStep)).toBe(true);
  });

  it.each<[string, Parameters<typeof lookbackOf>[1]]>([
    ["nothing was lost", directions(0, 0)],
    ["nothing was numbered", directions(1, 1, 0)],
  ])("is not said where %s", (_, more) => {
    expect(lossy(more).evidence).not.toContain("By direction");
  });

  it("is shown for a target that is not degraded too", () => {
    expect(lossy(directions(1, 0), { verdict: "unmet" })).toMatchObject({
      cause: "timeout",
      evidence: expect.stringMatching(/^Seen\. By direction: forward 1 of 50/),
    });
  });
});
