import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { literalFamily, sortedAddresses } from "./address.ts";

describe("an address literal", () => {
  it.each([
    ["192.0.2.1", 4],
    ["192.0.2.01", undefined],
    ["::1", 6],
    ["::ffff:127.0.0.1", 6],
    ["::ffff:127.0.0.01", undefined],
    ["fe80::1%eth0", undefined],
    ["omni.example", undefined],
  ])("is one only where the kernel's own reading agrees, so that none is ever looked up: %s", (text, family) => {
    expect(literalFamily(text)).toBe(family);
  });

  it("can always be put in order", () => {
    const piece = fc.constantFrom("0", "1", "01", "ffff", ":", "::", "1.2.3.4", "1.2.3.04");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const text = pieces.join("");
        if (literalFamily(text) === undefined) return;
        expect(isIP(text)).toBe(literalFamily(text));
        expect(sortedAddresses([text])).toEqual([text]);
      }),
      { numRuns: 2_000 },
    );
  });
});
