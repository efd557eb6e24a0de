import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import type { PreviousVerdict } from "../row.ts";
import {
  contextOf,
  type EntryParts,
  entryOf,
  NOW_MS,
  rememberedOf,
  TCP,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withDrift } from "./dns-drift.ts";

const seen = (answers: readonly string[] | undefined, address?: string) =>
  rememberedOf("timeout", NOW_MS, { ...(answers && { answers }), ...(address === undefined ? {} : { address }) });
const failing = (
  goodAnswers: readonly string[] | undefined,
  of: ReturnType<typeof seen> | undefined,
  more: EntryParts = {},
) => entryOf(targetOf(TCP), { verdict: "unmet", cause: "timeout", ...more, own: { goodAnswers, seen: of } });
function after(entry: Entry, before?: Partial<PreviousVerdict>): Entry {
  const was = { verdict: "unmet", sinceMs: 0, ...before } as const;
  return withDrift(entry, [entry], contextOf({ previous: before && new Map([[entry.target.id, was]]) }));
}

describe("a target that fails has drifted", () => {
  it.each<[string, Entry, boolean]>([
    ["at a new address", failing(["a"], seen(["b"], "b")), true],
    ["not at an address that it had", failing(["a", "b"], seen(["b"], "b")), false],
    ["not at an address that it had, though the name has new ones", failing(["a"], seen(["b"], "a")), false],
    ["with new answers alone", failing(["a"], seen(["b", "c"])), true],
    ["not while one of the answers is old", failing(["a"], seen(["b", "a"])), false],
    ["not without answers now", failing(["a"], seen(undefined, "b")), false],
    ["not without a sample", failing(["a"], undefined), false],
    ["not without answers before", failing(undefined, seen(["b"], "b")), false],
    ["not by a failure of DNS", failing(["a"], seen(["b"], "b"), { cause: "dns-nxdomain" }), false],
    ["not while degraded", failing(["a"], seen(["b"], "b"), { verdict: "degraded" }), false],
  ])("%s", (_, entry, isDrift) => {
    expect(after(entry).cause).toBe(isDrift ? "dns-drift" : entry.cause);
  });

  it("and names the old and new addresses, and who must act", () => {
    expect(after(failing(["a", "b"], seen(["c", "d"], "c")))).toMatchObject({
      verdict: "unmet",
      evidence: "Seen. omni.test resolved to a, b before; it now resolves to c, d.",
      nextStep:
        "Owner of the zone of omni.test: point it at addresses that answer; network team: allow the new addresses.",
    });
  });
});

describe("a public host that fails at a new address", () => {
  it.each(["tls-filtered", "tls-intercepted"] as const)("keeps what the exchange shows: %s", (cause) => {
    expect(after(failing(["a"], seen(["b"], "b"), { cause, thirdParty: true }))).toMatchObject({
      cause,
      evidence: "Seen. omni.test resolved to a before; it now resolves to b.",
      nextStep: "Do.",
    });
  });

  it("has new addresses to allow, and no zone that the site owns", () => {
    const found = after(failing(["a"], seen(["b"], "b"), { thirdParty: true }));
    expect(found.cause).toBe("dns-drift");
    expect(found.nextStep).toMatch(/^Network team: allow the new addresses of omni\.test; if they are not its own, /);
  });
});

describe("drift stays when the windows from before it are gone", () => {
  const aged = failing(undefined, seen(["b"], "b"));
  it.each<[string, Entry, Partial<PreviousVerdict> | undefined, string]>([
    ["while it was the cause", aged, { cause: "dns-drift", evidence: "It moved." }, "dns-drift"],
    ["not after another cause", aged, { cause: "timeout" }, "timeout"],
    ["not after the target worked", aged, { verdict: "met", cause: "dns-drift" }, "timeout"],
    ["not without a previous verdict", aged, undefined, "timeout"],
    ["not where the windows show that it is over", failing(["b"], seen(["b"], "b")), { cause: "dns-drift" }, "timeout"],
    [
      "not when DNS fails",
      failing(undefined, seen(["b"]), { cause: "dns-timeout" }),
      { cause: "dns-drift" },
      "dns-timeout",
    ],
  ])("%s", (_, entry, before, cause) => {
    expect(after(entry, before).cause).toBe(cause);
  });

  it("with the evidence of the previous verdict, if known", () => {
    expect(after(aged, { cause: "dns-drift", evidence: "It moved." }).evidence).toBe("It moved.");
    expect(after(aged, { cause: "dns-drift" }).evidence).toBe("Seen.");
    expect(after(aged, { cause: "dns-drift" }).nextStep).toMatch(/^Owner of the zone/);
  });
});

it.each<[string, readonly string[] | undefined, readonly string[] | undefined, string]>([
  ["the change is said", ["a"], ["b"], "Seen. omni.test resolved to a before; it now resolves to b."],
  ["nothing is said without earlier answers", undefined, ["b"], "Seen."],
  ["nothing is said without answers", ["a"], undefined, "Seen."],
])("of a target that answers, %s", (_, before, answers, evidence) => {
  const entry = failing(before, seen(answers), { verdict: "met", cause: "none" });
  expect(after(entry)).toMatchObject({ verdict: "met", cause: "none", evidence });
});
