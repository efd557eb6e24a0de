import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reflect, residenceNs } from "./reflect.ts";
import { addNs, elapsedNs, ntpFromWallMs } from "./timestamp.ts";

describe("NTP timestamps", () => {
  it.each([
    ["the Unix epoch", 0, 2_208_988_800n << 32n],
    ["half a second later", 500, (2_208_988_800n << 32n) + (1n << 31n)],
    ["the first second of era 1 (2036-02-07T06:28:16Z)", 2_085_978_496_000, 0n],
  ])("label %s", (_, wallMs, ntp) => {
    expect(ntpFromWallMs(wallMs)).toBe(ntp);
  });

  it("return a duration that was added, to the nanosecond, also across the end of an era", () => {
    const durations = fc.integer({ min: -1e15, max: 1e15 });
    const starts = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    fc.assert(
      fc.property(starts, durations, (start, ns) => {
        expect(Math.abs(elapsedNs(start, addNs(start, ns)) - ns)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("keep parts of a millisecond", () => {
    expect(elapsedNs(ntpFromWallMs(1000), ntpFromWallMs(1000.25))).toBe(250_000);
  });

  it("give the residence time in a reflector, negative when its clock was stepped", () => {
    const request = {
      sequence: 0x80000000,
      sentAt: 0n,
      errorEstimate: { synchronised: false, format: "ntp", scale: 0, multiplier: 1 },
    } as const;
    const at = ntpFromWallMs(1_000_000);
    expect(residenceNs(reflect(request, at, addNs(at, 48_000)))).toBe(48_000);
    expect(residenceNs(reflect(request, at, addNs(at, -1_000)))).toBe(-1_000);
  });
});
