import { expect, it } from "vitest";
import { type RowVerdict, rowKey, UDP_EVIDENCE, VERDICTS } from "./row.ts";

it("the words of a row are closed lists, in the order in which people read them", () => {
  expect(VERDICTS).toEqual(["met", "degraded", "unmet", "unknown", "not-applicable"]);
  expect(UDP_EVIDENCE).toEqual(["confirmed", "refused", "suspected-blocked", "no-evidence", "not-applicable"]);
});

const target: NonNullable<RowVerdict["target"]> = {
  id: "r|tcp|h:1|ipv4",
  host: "h",
  port: 1,
  endpoint: "h:1",
  probe: "tcp",
  family: 4,
  proxy: undefined,
};
it.each([
  ["its target", target, target.id],
  ["its requirement if it has no target", undefined, "r"],
])("the key of a row is the id of %s", (_, of, key) => {
  expect(rowKey({ requirementId: "r", target: of })).toBe(key);
});
