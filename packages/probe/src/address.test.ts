import { literalFamily } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sortedAddresses } from "./address.ts";

describe("an address literal", () => {
  it("can always be sorted", () => {
    const piece = fc.constantFrom("0", "1", "01", "ffff", ":", "::", "1.2.3.4", "1.2.3.04");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const text = pieces.join("");
        if (literalFamily(text) === undefined) return;
        expect(sortedAddresses([text])).toEqual([text]);
      }),
      { numRuns: 2_000 },
    );
  });
});
