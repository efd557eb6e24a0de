import { expect, it } from "vitest";
import { createFleetIssuers } from "./fleet-issuer.ts";

it.each<[string, string[], string | undefined]>([
  ["nobody", [], undefined],
  ["two that agree are too few", ["A", "A"], undefined],
  ["three that agree", ["A", "A", "A"], "A"],
  ["one of four that differs", ["A", "A", "B", "A"], "A"],
  ["two of five that differ", ["A", "A", "A", "B", "B"], undefined],
])("the fleet's issuer: %s", (_, issuers, issuer) => {
  const fleet = createFleetIssuers();
  for (const [at, seen] of issuers.entries()) fleet.saw(`n${at}`, "target", seen);
  expect(fleet.of("target")).toBe(issuer);
});

it("counts a node once, by what it saw last, and not after it is gone", () => {
  const fleet = createFleetIssuers();
  for (const node of ["a", "b", "c"]) fleet.saw(node, "target", "A");
  fleet.saw("c", "target", "B");
  expect(fleet.of("target")).toBeUndefined();
  fleet.saw("c", "target", "A");
  expect(fleet.of("target")).toBe("A");
  fleet.forget("a");
  expect(fleet.of("target")).toBeUndefined();
});
