import type { Reason, Sample } from "@lifeline/measure";
import { emptyWindow, followRun, mergeWindows, type RunProgress, type Window, windowOf } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { evidenceOf } from "./evidence-text.ts";
import type { RowVerdict } from "./row.ts";
import { targetVerdictOf } from "./target-verdict.ts";
import { judgeRows, NOW_MS, rowOf, TCP, targetOf } from "./testing/judgement-fixture.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

const TARGET = targetOf(TCP);
const OK: Reason = "answered";
const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";

interface Turn {
  readonly address: string;
  readonly reason: Reason;
  /** The set at the attempt; default: all that occur. */
  readonly set?: readonly string[];
}

/** One window an attempt, a second apart, the last ending now. */
function windowsOf(turns: readonly Turn[]): Window[] {
  const all = [...new Set(turns.map(({ address }) => address))].sort();
  const byAddress = new Map<string, RunProgress>();
  let run: RunProgress | undefined;
  return turns.map(({ address, reason, set = all }, at) => {
    const endedAtMs = NOW_MS - (turns.length - 1 - at) * 1_000;
    const evidence = address === "" ? {} : { address, answers: set, ...(set.length > 1 ? { addresses: set } : {}) };
    const outcome = { reason, phase: "connect" } as const;
    const sample: Sample = {
      targetId: TARGET.id,
      startedAtMs: endedAtMs - 5,
      endedAtMs,
      outcome,
      phases: {},
      evidence,
    };
    const followed = followRun(run, sample);
    run = followed.run;
    if (address === "" || set.length === 1) return windowOf(followed, endedAtMs - 5, endedAtMs);
    const there = followRun(byAddress.get(address), sample);
    byAddress.set(address, there.run);
    return windowOf({ ...followed, addressRun: there.run }, endedAtMs - 5, endedAtMs);
  });
}

/** `rounds` turns of each address, with the reason it has. */
function rounds(count: number, reasons: Readonly<Record<string, Reason>>, set?: readonly string[]): Turn[] {
  const more = set === undefined ? {} : { set };
  return Array.from({ length: count }).flatMap(() =>
    Object.entries(reasons).map(([address, reason]) => ({ address, reason, ...more })),
  );
}

function judged(turns: readonly Turn[]): RowVerdict {
  return judgeRows([rowOf([TARGET])], windowsOf(turns))[0] as RowVerdict;
}

describe("a host with several addresses", () => {
  it.each<[string, readonly Turn[], RowVerdict["verdict"], RowVerdict["cause"]]>([
    ["all answer", rounds(10, { [A]: OK, [B]: OK }), "met", "none"],
    ["the first is dead", rounds(5, { [A]: "timeout", [B]: OK }), "degraded", "dead-address"],
    ["the last is dead", rounds(5, { [A]: OK, [B]: "timeout" }), "degraded", "dead-address"],
    [
      "one that answered has lost two so far",
      [...rounds(3, { [A]: OK, [B]: OK }), ...rounds(2, { [A]: OK, [B]: "timeout" })],
      "met",
      "none",
    ],
    ["one refuses", rounds(2, { [A]: OK, [B]: "refused" }), "degraded", "dead-address"],
    [
      "two neighbours of three refuse",
      rounds(5, { [A]: "refused", [B]: "refused", [C]: OK }),
      "degraded",
      "dead-address",
    ],
    [
      "an outage of all is over, and the second one has answered once",
      [
        ...rounds(5, { [A]: OK, [B]: OK }),
        ...rounds(5, { [A]: "timeout", [B]: "timeout" }),
        ...rounds(1, { [A]: OK, [B]: OK }),
        ...rounds(1, { [A]: OK }),
      ].map((turn) => ({ ...turn, set: [A, B] })),
      "met",
      "none",
    ],
    [
      "an outage of all is over, and the second one still fails",
      [
        ...rounds(5, { [A]: OK, [B]: OK }),
        ...rounds(5, { [A]: "timeout", [B]: "timeout" }),
        ...rounds(2, { [A]: OK, [B]: "timeout" }),
      ],
      "degraded",
      "dead-address",
    ],
    ["all fail from the start", rounds(2, { [A]: "timeout", [B]: "timeout" }), "unmet", "timeout"],
    [
      "all fail after they answered: three in a row are enough",
      [
        ...rounds(5, { [A]: OK, [B]: OK }),
        ...rounds(1, { [A]: "timeout", [B]: "timeout" }),
        { address: A, reason: "timeout" },
      ],
      "unmet",
      "timeout",
    ],
    [
      "three in a row of eight prove nothing while others have not been tried",
      [
        ...rounds(3, Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`192.0.2.${at}`, OK]))),
        ...["192.0.2.0", "192.0.2.1", "192.0.2.2"].map((address) => ({ address, reason: "timeout" as const })),
      ],
      "met",
      "none",
    ],
    [
      "a dead one recovers",
      [...rounds(5, { [A]: OK, [B]: "timeout" }), ...rounds(2, { [A]: OK, [B]: OK }), { address: A, reason: OK }],
      "met",
      "none",
    ],
    [
      "a dead one is taken out of the name",
      [...rounds(5, { [A]: OK, [B]: "timeout", [C]: OK }), ...rounds(3, { [A]: OK, [C]: OK }, [A, C])],
      "met",
      "none",
    ],
    [
      "all but one are taken out of the name",
      [...rounds(5, { [A]: OK, [B]: "timeout" }), ...rounds(3, { [A]: OK }, [A])],
      "met",
      "none",
    ],
    [
      "all failed, and one has answered twice since",
      [...rounds(5, { [A]: "timeout", [B]: "timeout" }), ...rounds(2, { [A]: OK, [B]: "timeout" })],
      "degraded",
      "dead-address",
    ],
    [
      "all failed, and one has answered once since",
      [...rounds(5, { [A]: "timeout", [B]: "timeout" }), { address: A, reason: OK }],
      "unmet",
      "timeout",
    ],
    [
      "the name cannot be resolved any more",
      [...rounds(5, { [A]: OK, [B]: "timeout" }), ...Array<Turn>(4).fill({ address: "", reason: "dns-nxdomain" })],
      "unmet",
      "dns-nxdomain",
    ],
  ])("%s", (_, turns, verdict, cause) => {
    expect(judged(turns)).toMatchObject({ verdict, cause });
  });

  it("says which fail and why, which answer, who must act, and what a client meets", () => {
    const { evidence, nextStep, loss } = judged(rounds(5, { [A]: OK, [B]: "refused", [C]: "timeout" }));
    expect(evidence).toMatch(/2 of 3 addresses of omni\.test fail: 192\.0\.2\.2 \(a reset .*, 5 times in a row since/);
    expect(evidence).toMatch(/192\.0\.2\.3 \(sent, and nothing came back/);
    expect(evidence).toContain("Answering: 192.0.2.1.");
    expect(nextStep).toMatch(/Owner of 192\.0\.2\.2:443: start the service/);
    expect(nextStep).toMatch(/Network team: allow TCP port 443 .*192\.0\.2\.3:443/);
    expect(nextStep).toContain("Owner of the zone of omni.test: or take 192.0.2.2, 192.0.2.3 out of the name.");
    expect(nextStep).toContain("A client that tries one address alone fails at times.");
    expect(loss).toMatchObject({ sent: 15, lost: 5 });
  });

  it("shows the chain of an address that fails, where the target's latest attempts were answered", () => {
    const chain = [{ subject: "CN=omni.test" }];
    const turns = [...rounds(5, { [A]: "tls-untrusted", [B]: "tls-untrusted" }), ...rounds(1, { [A]: OK, [B]: OK })];
    const windows = windowsOf(turns).map(({ last, lastBad, ...window }) => ({
      ...window,
      last: last && { ...last, evidence: { ...last.evidence, chain } },
      lastBad: lastBad && { ...lastBad, evidence: { ...lastBad.evidence, chain } },
    })) as unknown as Window[];
    expect(targetVerdictOf(TARGET, windows, NOW_MS, DEFAULT_THRESHOLDS)).toMatchObject({
      verdict: "unmet",
      cause: "tls-untrusted",
      seen: { evidence: { chain } },
    });
  });

  it("begins when the address failed, and ends when it recovered", () => {
    const failing = judged(rounds(5, { [A]: OK, [B]: "timeout" }));
    expect(failing.onsetMs).toBe(NOW_MS - 8_000 - 5);
    const recovered = judged([...rounds(5, { [A]: OK, [B]: "timeout" }), ...rounds(4, { [A]: OK, [B]: OK })]);
    expect(recovered.onsetMs).toBe(NOW_MS - 6_000);
  });

  it("does not depend on the order of the windows, nor on how they were merged (W1)", () => {
    const windows = windowsOf(rounds(6, { [A]: OK, [B]: "timeout", [C]: OK }));
    const verdict = targetVerdictOf(TARGET, windows, NOW_MS, DEFAULT_THRESHOLDS);
    const reversed = targetVerdictOf(TARGET, windows.toReversed(), NOW_MS, DEFAULT_THRESHOLDS);
    expect(reversed).toEqual(verdict);
    const merged = windows.reduce(mergeWindows, emptyWindow(TARGET.id, NOW_MS, 0));
    const whole = targetVerdictOf(TARGET, [merged], NOW_MS, DEFAULT_THRESHOLDS);
    expect(whole).toMatchObject({ verdict: "degraded", cause: "dead-address" });
  });

  it("says how many addresses there are beyond those that take turns", () => {
    const windows = windowsOf(rounds(3, { [A]: OK, [B]: OK })).map((window) => ({
      ...window,
      last: window.last && { ...window.last, evidence: { ...window.last.evidence, addressCount: 12 } },
    }));
    const own = targetVerdictOf(TARGET, windows, NOW_MS, DEFAULT_THRESHOLDS);
    expect(evidenceOf(TARGET, own)).toContain("The name has 12 addresses or more; 2 take turns.");
  });
});

it("names no address as answering whose latest attempt failed", () => {
  const row = judged([...rounds(5, { [A]: OK, [B]: "timeout" }), ...rounds(1, { [A]: "timeout", [B]: "timeout" })]);
  expect(row.verdict).toBe("unmet");
  expect(row.evidence).toMatch(/Answering: none; failed at the latest attempt: 192\.0\.2\.1\./);
});
