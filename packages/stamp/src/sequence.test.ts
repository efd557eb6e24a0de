import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OWN_ERROR_ESTIMATE } from "./error-estimate.ts";
import { encodeReflected, encodeSender } from "./packet.ts";
import { reflect } from "./reflect.ts";
import { looksLikeWireGuard, SEQUENCE_COUNT, sequenceAt } from "./sequence.ts";

describe("sequence numbers", () => {
  it("never make a packet or its reply look like WireGuard", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (index) => {
        const request = { sequence: sequenceAt(index), sentAt: 0n, errorEstimate: OWN_ERROR_ESTIMATE };
        expect(looksLikeWireGuard(encodeSender(request))).toBe(false);
        expect(looksLikeWireGuard(encodeReflected(reflect(request, 0n, 0n)))).toBe(false);
      }),
    );
  });

  it("rise by one and wrap within their half of the space", () => {
    expect(sequenceAt(0)).toBe(0x8000_0000);
    expect(sequenceAt(1)).toBe(0x8000_0001);
    expect(sequenceAt(SEQUENCE_COUNT - 1)).toBe(0xffff_ffff);
    expect(sequenceAt(SEQUENCE_COUNT)).toBe(0x8000_0000);
  });

  it.each([
    [[], false],
    [[0, 0, 0, 0], false],
    [[1, 0, 0, 0], true],
    [[4, 0, 0, 0], true],
    [[5], false],
    [[0x80, 0, 0, 1], false],
  ])("are distinguished from WireGuard's first bytes %j: %s", (bytes, wireguard) => {
    expect(looksLikeWireGuard(Uint8Array.from(bytes))).toBe(wireguard);
  });
});
