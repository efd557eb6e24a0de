import fc from "fast-check";
import { expect, it } from "vitest";
import { createFleetIssuers, ISSUER_FRESH_MS } from "./fleet-issuer.ts";

const seen = (issuer: string, atMs = 0, targetId = "target") => new Map([[targetId, { issuer, atMs }]]);

it.each<[string, string[], string | undefined]>([
  ["nobody", [], undefined],
  ["two that agree are too few", ["A", "A"], undefined],
  ["three that agree", ["A", "A", "A"], "A"],
  ["one of four that differs", ["A", "A", "B", "A"], "A"],
  ["two of five that differ", ["A", "A", "A", "B", "B"], undefined],
])("the fleet's issuer: %s", (_, issuers, issuer) => {
  const fleet = createFleetIssuers();
  for (const [at, of] of issuers.entries()) fleet.saw(`n${at}`, seen(of));
  expect(fleet.of("target")).toBe(issuer);
});

it("counts a node once, by what it saw last, and not for a target that it no longer has", () => {
  const fleet = createFleetIssuers();
  for (const node of ["a", "b", "c"]) fleet.saw(node, seen("A"));
  fleet.saw("c", seen("B"));
  expect(fleet.of("target")).toBeUndefined();
  fleet.saw("c", seen("A"));
  expect(fleet.of("target")).toBe("A");
  fleet.saw("a", seen("A", 0, "another"));
  expect(fleet.of("target")).toBeUndefined();
});

it("hears nobody for longer than an hour, so that nodes that are away do not outvote a renewal", () => {
  const fleet = createFleetIssuers();
  for (const node of ["a", "b", "c", "d", "e", "f", "g"]) fleet.saw(node, seen("old"));
  for (const node of ["x", "y", "z"]) fleet.saw(node, seen("new", 1));
  expect(fleet.of("target")).toBe("old");
  fleet.forgetStale(ISSUER_FRESH_MS + 1);
  expect(fleet.of("target")).toBe("new");
});

it("hears nobody for years who saw it in the future, by a clock that was set back or that lies", () => {
  const fleet = createFleetIssuers();
  for (const node of ["a", "b", "c"]) fleet.saw(node, seen("A", 10 * ISSUER_FRESH_MS));
  fleet.forgetStale(0);
  expect(fleet.of("target")).toBeUndefined();
});

it("hears 1,024 nodes of a target, and those that are heard may still change their mind (S2)", () => {
  const fleet = createFleetIssuers();
  for (let at = 0; at < 1_024; at++) fleet.saw(`n${at}`, seen("A"));
  for (let at = 0; at < 4_096; at++) fleet.saw(`late${at}`, seen("B"));
  expect(fleet.of("target")).toBe("A");
  for (let at = 0; at < 1_024; at++) fleet.saw(`n${at}`, seen("C"));
  expect(fleet.of("target")).toBe("C");
});

it("agrees with counting every node's last word anew", () => {
  const word = fc.record({ node: fc.integer({ min: 0, max: 6 }), issuer: fc.constantFrom("A", "B", undefined) });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const fleet = createFleetIssuers();
      const last = new Map<number, string>();
      for (const { node, issuer } of words) {
        fleet.saw(`n${node}`, issuer === undefined ? new Map() : seen(issuer));
        if (issuer === undefined) last.delete(node);
        else last.set(node, issuer);
      }
      const all = [...last.values()];
      const agreed = ["A", "B"].find((issuer) => {
        const count = all.filter((one) => one === issuer).length;
        return count >= 3 && count >= (all.length * 2) / 3;
      });
      expect(fleet.of("target")).toBe(agreed);
    }),
  );
});
