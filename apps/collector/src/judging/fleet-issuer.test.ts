import fc from "fast-check";
import { expect, it } from "vitest";
import { FleetIssuers, ISSUER_FRESH_MS } from "./fleet-issuer.ts";

const observed = (issuer: string, atMs = 0, targetId = "target") => new Map([[targetId, { issuer, atMs }]]);

it.each<[string, string[], string | undefined]>([
  ["no node", [], undefined],
  ["two that agree are too few", ["A", "A"], undefined],
  ["three that agree", ["A", "A", "A"], "A"],
  ["one of four that differs", ["A", "A", "B", "A"], "A"],
  ["two of five that differ", ["A", "A", "A", "B", "B"], undefined],
])("the fleet's issuer: %s", (_, issuers, issuer) => {
  const fleet = new FleetIssuers();
  for (const [at, of] of issuers.entries()) fleet.observe(`n${at}`, observed(of));
  expect(fleet.of("target")).toBe(issuer);
});

it("counts a node once, by what it observed last, and not for a target that it no longer has", () => {
  const fleet = new FleetIssuers();
  for (const node of ["a", "b", "c"]) fleet.observe(node, observed("A"));
  fleet.observe("c", observed("B"));
  expect(fleet.of("target")).toBeUndefined();
  fleet.observe("c", observed("A"));
  expect(fleet.of("target")).toBe("A");
  fleet.observe("a", observed("A", 0, "another"));
  expect(fleet.of("target")).toBeUndefined();
});

it("counts an observation for an hour, so that nodes that are away do not outvote a renewal", () => {
  const fleet = new FleetIssuers();
  for (const node of ["a", "b", "c", "d", "e", "f", "g"]) fleet.observe(node, observed("old"));
  for (const node of ["x", "y", "z"]) fleet.observe(node, observed("new", 1));
  expect(fleet.of("target")).toBe("old");
  fleet.prune(ISSUER_FRESH_MS + 1);
  expect(fleet.of("target")).toBe("new");
});

it("drops an observation that is dated ahead, by a clock that was set back or that lies", () => {
  const fleet = new FleetIssuers();
  for (const node of ["a", "b", "c"]) fleet.observe(node, observed("A", 10 * ISSUER_FRESH_MS));
  fleet.prune(0);
  expect(fleet.of("target")).toBeUndefined();
});

it("counts 1,024 nodes of a target, and those may still observe another issuer (S2)", () => {
  const fleet = new FleetIssuers();
  for (let at = 0; at < 1_024; at++) fleet.observe(`n${at}`, observed("A"));
  for (let at = 0; at < 4_096; at++) fleet.observe(`late${at}`, observed("B"));
  expect(fleet.of("target")).toBe("A");
  for (let at = 0; at < 1_024; at++) fleet.observe(`n${at}`, observed("C"));
  expect(fleet.of("target")).toBe("C");
});

it("agrees with counting the last observation of every node again", () => {
  const word = fc.record({ node: fc.integer({ min: 0, max: 6 }), issuer: fc.constantFrom("A", "B", undefined) });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const fleet = new FleetIssuers();
      const last = new Map<number, string>();
      for (const { node, issuer } of words) {
        fleet.observe(`n${node}`, issuer === undefined ? new Map() : observed(issuer));
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
