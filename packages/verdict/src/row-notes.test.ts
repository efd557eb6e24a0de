import type { Skipped } from "@lifeline/catalogue";
import { expect, it } from "vitest";
import { notesOf } from "./row-notes.ts";
import { judgeRows, requirementOf, TCP, targetOf } from "./testing/judgement-fixture.ts";

const row = (skipped: readonly Skipped[], notes: readonly string[] = []) => ({
  requirement: requirementOf("r"),
  kind: "targets" as const,
  comparisonIds: [],
  thirdPartyIds: [],
  alternatives: [],
  targets: [targetOf(TCP, { host: "a.test" }), targetOf(TCP, { host: "b.test" })],
  skipped,
  notes,
});

it.each<[string, readonly Skipped[], readonly string[]]>([
  ["nothing", [], []],
  [
    "a family that no host is measured over",
    ["a.test", "b.test"].map((host) => ({ host, family: 6 as const, why: "no route" })),
    ["not measured over IPv6: no route"],
  ],
  [
    "one host of several",
    [{ host: "b.test", family: 6, why: "no route" }],
    ["b.test is not measured over IPv6: no route"],
  ],
  [
    "hosts that are not measured at all",
    ["c.test", "d.test"].map((host) => ({ host, why: "no mirror" })),
    ["c.test, d.test are not measured: no mirror"],
  ],
])("the notes of a row name %s", (_, skipped, notes) => expect(notesOf(row(skipped))).toEqual(notes));

it("the notes of a row come with its verdicts, and say in the evidence which hosts stand for a wildcard", () => {
  const sampled = "*.test can only be sampled; it is judged by a.test, b.test";
  const rows = judgeRows([row([{ host: "c.test", why: "no mirror" }], [sampled])]);
  expect(rows).toHaveLength(2);
  for (const { notes, evidence } of rows) {
    expect(notes).toEqual([sampled, "c.test is not measured: no mirror"]);
    expect(evidence.endsWith(`${sampled}.`)).toBe(true);
  }
});
