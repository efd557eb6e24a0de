import { LATE_WATCH_MS, type Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import type { Verdict } from "../row.ts";
import {
  closedPort,
  type EntryParts,
  entryOf,
  lookbackOf,
  NOW_MS,
  rememberedOf,
  STAMP,
  TCP,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withOutlivedLoss } from "./outlived-loss.ts";

const inside = { requirementId: "in-tunnel", host: "fdae::1" };
const slow = targetOf(closedPort(16), { ...inside, timeoutMs: 1_000 });

/** A probe in the tunnel whose last attempt ended that long ago. */
const failed = (reason: Reason, agoMs: number) =>
  entryOf(slow, {
    service: "in-tunnel",
    verdict: "unmet",
    cause: "timeout",
    own: { reason, seen: rememberedOf(reason, NOW_MS - agoMs) },
  });

/** Another one that answers again since 5 s ago. */
const answers = entryOf(targetOf(TCP, inside), {
  service: "in-tunnel",
  verdict: "met",
  own: { lookback: { ...lookbackOf({ answered: 5 }), startMs: NOW_MS - 5_000 } },
});

describe("a loss in a tunnel that answers again since five seconds", () => {
  it.each<[string, Reason, agoMs: number, "unknown" | "unmet"]>([
    ["was sent before, and watched for two seconds after its threshold", "timeout", 2_001, "unknown"],
    ["was sent since", "timeout", 2_000, "unmet"],
    ["was refused in an attempt from before", "refused", 4_001, "unknown"],
    ["was refused in an attempt since", "refused", 4_000, "unmet"],
  ])("%s", (_, reason, agoMs, verdict) => {
    const entry = failed(reason, agoMs);
    expect(withOutlivedLoss(entry, [entry, answers]).verdict).toBe(verdict);
  });

  it.each([
    ["an outage of three", 3, "unknown"],
    ["a loss of two", 2, "unmet"],
  ] as const)("is over where another probe answers since %s, although it had an earlier one", (_, length, verdict) => {
    const entry = failed("timeout", 8_000);
    const twice = entryOf(targetOf(TCP, inside), {
      service: "in-tunnel",
      verdict: "degraded",
      own: {
        lookback: lookbackOf(
          { answered: 5 },
          {
            last: rememberedOf("answered", NOW_MS, {}, { outcomeClass: "good", startedAtMs: NOW_MS - 5_000 }),
            lastBad: rememberedOf("timeout", NOW_MS - 6_000, {}, { length }),
          },
        ),
      },
    });
    expect(withOutlivedLoss(entry, [entry, twice]).verdict).toBe(verdict);
  });

  it("is a fault where nothing in the tunnel answers", () => {
    const entry = failed("timeout", 20_000);
    expect(withOutlivedLoss(entry, [entry])).toBe(entry);
  });
});

const RECOVERED_MS = NOW_MS - 20_000;
const stamp = targetOf(STAMP, { requirementId: "port" });
/** The fastest target in the tunnel, which answers since the recovery. */
const fast = (verdict: Verdict = "met") =>
  entryOf(targetOf(TCP, inside), {
    service: "in-tunnel",
    verdict,
    own: { lookback: lookbackOf({ answered: 80 }, { startMs: RECOVERED_MS }) },
  });
/** A target whose latest loss ended that long after the recovery, and whose run has that class now. */
function losing(verdict: Verdict, afterMs: number, now: "good" | "bad", more: EntryParts = {}, target = slow): Entry {
  const last = rememberedOf(now === "good" ? "answered" : "timeout", NOW_MS - 1_000, {}, { outcomeClass: now });
  const seen = rememberedOf("timeout", RECOVERED_MS + afterMs);
  const own = { reason: seen.reason, seen, lookback: lookbackOf({}, { last }) };
  return entryOf(target, { service: "in-tunnel", verdict, cause: "loss", ...more, own });
}
const verdictOf = (entry: Entry, other = fast()) => withOutlivedLoss(entry, [entry, other]).verdict;

describe("losses of an outage of the tunnel that is over", () => {
  // An attempt that is silent ends once it was watched for a late answer.
  const watchedMs = slow.timeoutMs + LATE_WATCH_MS;
  it.each<[string, Entry, Verdict]>([
    ["of a target that was not tried since", losing("unmet", watchedMs - 1, "bad"), "unknown"],
    ["of one that was tried since", losing("unmet", watchedMs, "bad"), "unmet"],
    ["of one that loses at times, and was not tried since", losing("degraded", watchedMs - 1, "bad"), "unknown"],
    ["of one that has answered since", losing("degraded", watchedMs - 1, "good"), "met"],
    ["of one that lost another one since", losing("degraded", watchedMs, "good"), "degraded"],
  ])("%s", (_, entry, verdict) => {
    expect(verdictOf(entry)).toBe(verdict);
  });

  it("are none while the fastest target loses too", () => {
    expect(verdictOf(losing("degraded", 0, "good"), fast("degraded"))).toBe("degraded");
    expect(verdictOf(losing("degraded", 0, "bad"), fast("degraded"))).toBe("degraded");
    expect(verdictOf(losing("unmet", 0, "bad"), fast("unmet"))).toBe("unmet");
  });

  it("are those of STAMP at the port too, which waits for its next attempt", () => {
    const at = (verdict: Verdict, afterMs: number, now: "good" | "bad") =>
      losing(verdict, afterMs, now, { service: "siderolink" }, stamp);
    expect(verdictOf(at("unmet", 0, "bad"))).toBe("unknown");
    expect(verdictOf(at("unmet", watchedMs, "bad"))).toBe("unmet");
    expect(verdictOf(at("degraded", 0, "good"))).toBe("degraded");
    expect(verdictOf(losing("unmet", 0, "bad", { service: "siderolink" }))).toBe("unmet");
  });

  it("leave the time of the recovery in the evidence, and nothing to do", () => {
    const entry = losing("degraded", 0, "good");
    const met = withOutlivedLoss(entry, [entry, fast()]);
    expect(met).toMatchObject({ cause: "none", nextStep: "", onsetMs: NOW_MS - 1_000 });
    expect(met.evidence).toMatch(/^Seen\. Nothing was lost since the tunnel recovered at /);
  });
});
