import type { Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { closedPort, entryOf, lookbackOf, NOW_MS, rememberedOf, TCP, targetOf } from "../testing/judgement-fixture.ts";
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
