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
});
afterAll(() => testBed.close());

/** Waits that end a test on any machine: a busy one also stalls for seconds. `npm run attack` applies the limits. */
const ANY_MACHINE = { ...LIMITS, ackP99Ms: 5_000, admitMs: 30_000 };

/** A limit for what hangs, ms: some wait for several events (poll.ts). */
const ATTACK_MAX_MS = 600_000;

describe("an attacker", () => {
  it.for(ATTACKS)("$position: $name comes to nothing", { timeout: ATTACK_MAX_MS }, async (attack, { skip }) => {
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

const HELD: Played = {
  attack: "any",
  position: "port",
  tries: "any",
  outcome: "held",
  observed: "any",
  collectorCpuSeconds: 1,
  peakRssMb: 100,
  slowdown: 1,
  usual: { ackP99Ms: 10, admitMs: 20 },
  honest: { ackP99Ms: 250, admitMs: 5_000 },
  honestRefused: 0,
  restarts: 0,
  memoryLimit: "none",
};

it.each([
  ["nothing waited longer than on an idle machine", {}],
  [
    "honest nodes waited longer, and as much longer before",
    { usual: { ackP99Ms: 100, admitMs: 1_000 }, honest: { ackP99Ms: 1_000, admitMs: 10_000 } },
  ],
  [
    "the collector had a third of a processor, and honest nodes waited three times as long",
    { slowdown: 3, honest: { ackP99Ms: 750, admitMs: 15_000 } },
  ],
])("an attack is held when %s", (_, cost) => {
  const played = { ...HELD, ...cost };
  expect(judged(played, LIMITS)).toBe(played);
});

it.each([
  [
    "an acknowledgement takes too long",
    { honest: { ...HELD.honest, ackP99Ms: 251 } },
    "an honest report was acknowledged after 251 ms, want at most 250 ms (10 ms before the attack, slowdown 1)",
  ],
  [
    "it takes too long for a machine that was as busy before",
    { usual: { ...HELD.usual, ackP99Ms: 100 }, honest: { ...HELD.honest, ackP99Ms: 1_001 } },
    "an honest report was acknowledged after 1001 ms, want at most 1000 ms (100 ms before the attack, slowdown 1)",
  ],
  [
    "it takes too long for a third of a processor",
    { slowdown: 3, honest: { ...HELD.honest, ackP99Ms: 751 } },
    "an honest report was acknowledged after 751 ms, want at most 750 ms (10 ms before the attack, slowdown 3)",
  ],
  [
    "an admission takes too long",
    { honest: { ...HELD.honest, admitMs: 5_001 } },
    "an honest node was admitted after 5001 ms, want at most 5000 ms (20 ms before the attack, slowdown 1)",
  ],
  [
    "no honest node was admitted",
    { honest: { ...HELD.honest, admitMs: null } },
    "an honest node was admitted not once",
  ],
  [
    "no report was acknowledged",
    { honest: { ...HELD.honest, ackP99Ms: null } },
    "an honest report was acknowledged not once",
  ],
  [
    "nothing is known from before",
    { usual: { ...HELD.usual, ackP99Ms: null } },
    "an honest report was acknowledged not once before the attack",
  ],
])("an attack is broken when %s", (_, cost, observed) => {
  expect(judged({ ...HELD, ...cost }, LIMITS)).toMatchObject({ outcome: "broke", observed: `${observed}; any` });
});

it("an outcome names each claim that failed", () => {
  expect(outcomeOf(["a", true], ["b", false])).toEqual({ outcome: "broke", observed: "b" });
  expect(outcomeOf(["a", true])).toEqual({ outcome: "held", observed: "a" });
});
