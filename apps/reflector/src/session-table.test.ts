import { SEQUENCE_FLOOR } from "@lifeline/stamp";
import { expect, it } from "vitest";
import { createSessionTable, SESSION_TTL_NS } from "./session-table.ts";

it("a session counts from the first number, apart from others, until it was unused for long", () => {
  const table = createSessionTable(2);
  expect([table.next("a", 0), table.next("a", 1), table.next("b", 2)]).toEqual([
    SEQUENCE_FLOOR,
    SEQUENCE_FLOOR + 1,
    SEQUENCE_FLOOR,
  ]);
  expect(table.next("a", SESSION_TTL_NS)).toBe(SEQUENCE_FLOOR + 2);
  expect(table.next("b", SESSION_TTL_NS + 2)).toBe(SEQUENCE_FLOOR);
});

it("without room a new session gets no number, counted, and those in use keep theirs (S2)", () => {
  const table = createSessionTable(1);
  table.next("a", 0);
  expect(table.next("b", 1)).toBeUndefined();
  expect(table.next("a", 2)).toBe(SEQUENCE_FLOOR + 1);
  expect([table.size(), table.refusals()]).toEqual([1, 1]);
  expect(table.next("b", SESSION_TTL_NS + 2)).toBe(SEQUENCE_FLOOR);
});
