/** Every attack of the threat model, on the programs as they are shipped. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@lifeline/measure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { outcomeOf } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";
import { play } from "./play.ts";
import { openStage, type Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ clock: systemClock, seconds: 4 });
}, 60_000);
afterAll(() => stage.close());

describe("an attacker", () => {
  it.each(ATTACKS)(
    "$standing: $name comes to nothing",
    async (attack) => {
      expect(await play(attack, stage)).toMatchObject({ outcome: "held" });
    },
    60_000,
  );
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

it("an outcome tells what was not as it should be", () => {
  expect(outcomeOf(["a", true], ["b", false])).toEqual({ outcome: "broke", observed: "b" });
  expect(outcomeOf(["a", true])).toEqual({ outcome: "held", observed: "a" });
});
