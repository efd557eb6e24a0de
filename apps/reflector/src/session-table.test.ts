import { SEQUENCE_FLOOR } from "@lifeline/stamp";
import { describe, expect, it } from "vitest";
import { SESSION_TTL_NS, SessionTable } from "./session-table.ts";

describe("the table of sessions", () => {
  it("counts each session from the first number, until it was unused for too long", () => {
    const table = new SessionTable(2);
    expect([table.nextSequence("a", 0), table.nextSequence("a", 1), table.nextSequence("b", 2)]).toEqual([
      SEQUENCE_FLOOR,
      SEQUENCE_FLOOR + 1,
      SEQUENCE_FLOOR,
    ]);
    expect(table.nextSequence("a", SESSION_TTL_NS)).toBe(SEQUENCE_FLOOR + 2);
    expect(table.nextSequence("b", SESSION_TTL_NS + 2)).toBe(SEQUENCE_FLOOR);
  });

  it("gives a new session no number when it is full, counts that, and keeps the sessions in use (S2)", () => {
    const table = new SessionTable(1);
    table.nextSequence("a", 0);
    expect(table.nextSequence("b", 1)).toBeUndefined();
    expect(table.nextSequence("a", 2)).toBe(SEQUENCE_FLOOR + 1);
    expect([table.size, table.stateless]).toEqual([1, 1]);
    expect(table.nextSequence("b", SESSION_TTL_NS + 2)).toBe(SEQUENCE_FLOOR);
  });
});
