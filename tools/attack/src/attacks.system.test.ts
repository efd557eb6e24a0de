/** Every attack of the threat model, on the programs as they are shipped. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@lifeline/measure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { outcomeOf } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";
import { judged, LIMITS, type Played, play } from "./play.ts";
import { openTestBed, type TestBed } from "./test-bed.ts";

let testBed: TestBed;
beforeAll(async () => {
  testBed = await openTestBed({ clock: systemClock, seconds: 2 });
}, 60_000);
afterAll(() => testBed.close());

/** This test asserts no times, because a busy machine also stalls for seconds. `npm run attack` applies the limits. */
const ANY_MACHINE = { ...LIMITS, honestAckP99Ms: 5_000, honestAdmitMs: 30_000 };

describe("an attacker", () => {
  it.for(ATTACKS)("$position: $name comes to nothing", { timeout: 180_000 }, async (attack, { skip }) => {
    const played = judged(await play(attack, testBed), ANY_MACHINE);
    // What a machine lacks is a failure in CI.
    if (played.outcome === "skipped" && process.env["CI"] === undefined) skip(played.observed);
    expect(played.outcome, played.observed).toBe("held");
  });
});

describe("the threat model", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/security.md"), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("|"));

  it.each(ATTACKS.map(({ name }) => name))("names %s", (name) => {
    expect(text).toContain(`\`${name}\``);
  });

  it("names no attack that is not played", () => {
    const named = rows.flatMap((row) => [...row.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map((match) => match[1] ?? ""));
    const known = new Set(ATTACKS.map(({ name }) => name));
    expect(named.filter((name) => !known.has(name))).toEqual([]);
    expect(named.length).toBeGreaterThan(10);
  });
});

it.each([
  ["no honest node was admitted", { honestAdmitMs: null }, "no honest node was admitted"],
  ["an admission takes too long", { honestAdmitMs: 5_001 }, "an honest node was admitted after 5001 ms"],
  ["no report was acknowledged", { honestAckP99Ms: null }, "an honest report was acknowledged after null ms"],
])("an attack is broken when %s", (_, cost, observed) => {
  const played: Played = {
    attack: "any",
    position: "port",
    tries: "any",
    outcome: "held",
    observed: "any",
    collectorCpuSeconds: 1,
    peakRssMb: 100,
    honestAckP99Ms: 1,
    honestAdmitMs: 1,
    honestRefused: 0,
    restarts: 0,
    memoryLimit: "none",
  };
  expect(judged(played, LIMITS)).toBe(played);
  expect(judged({ ...played, ...cost }, LIMITS)).toMatchObject({ outcome: "broke", observed: `${observed}; any` });
});

it("an outcome names each claim that failed", () => {
  expect(outcomeOf(["a", true], ["b", false])).toEqual({ outcome: "broke", observed: "b" });
  expect(outcomeOf(["a", true])).toEqual({ outcome: "held", observed: "a" });
});
