import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CoreVersion, readVersion, readVersionRange } from "./version-range.ts";

const holds = (range: string, version: CoreVersion) => {
  const reading = readVersionRange(range);
  return reading.ok ? reading.holds(version) : reading.why;
};

describe("a range of Talos versions", () => {
  it.each<[string, CoreVersion, boolean]>([
    [">= v1.10.0", [1, 10, 0], true],
    [">= v1.10.0", [1, 9, 9], false],
    [">=1.10.0", [1, 14, 2], true],
    [">= v1.10.0 < v2.0.0", [1, 99, 0], true],
    [">= v1.10.0 < v2.0.0", [2, 0, 0], false],
    ["< 1.0.0 || >= 1.12.0", [1, 12, 0], true],
    ["< 1.0.0 || >= 1.12.0", [1, 11, 0], false],
    ["1.12.0", [1, 12, 0], true],
    ["=1.12.0", [1, 12, 1], false],
    ["!=1.12.0", [1, 12, 1], true],
    ["1.12.x", [1, 12, 9], true],
    ["1.12.x", [1, 13, 0], false],
    ["1.x", [1, 99, 9], true],
    [">1.12.x", [1, 13, 0], true],
    [">1.12.x", [1, 12, 9], false],
    ["<=1.12.x", [1, 12, 9], true],
    ["!1.12.x", [1, 12, 9], false],
    // A pre-release lies before its release, and Talos compares its own core.
    [">= 1.12.0-alpha.1", [1, 12, 0], true],
    ["= 1.12.0-alpha.1", [1, 12, 0], false],
  ])("%s with %s: %s", (range, version, expected) => {
    expect(holds(range, version)).toBe(expected);
  });

  it.each([
    ["^1.10", 'Could not parse Range "^1.10": Could not parse comparator "^" in "^1.10"'],
    [
      ">= 1.10",
      'Could not parse Range ">=1.10": Could not parse version "1.10" in ">=1.10": No Major.Minor.Patch elements found',
    ],
    ["~1.10.0", 'Could not parse Range "~1.10.0": Could not parse comparator "~" in "~1.10.0"'],
    ["latest", 'Could not get version from string: "latest"'],
    [
      ">=1.010.0",
      'Could not parse Range ">=1.010.0": Could not parse version "1.010.0" in ">=1.010.0": Minor number must not contain leading zeroes "010"',
    ],
    ["|| 1.0.0", "First element in range is '||'"],
    ["1.0.0 ||", "Last element in range is '||'"],
    ["", "Last element in range is '||'"],
    ["1.0.0-", 'Could not parse Range "1.0.0-": Could not parse version "1.0.0-" in "1.0.0-": Prerelease is empty'],
    [
      "1.0.0+a_b",
      'Could not parse Range "1.0.0+a_b": Could not parse version "1.0.0+a_b" in "1.0.0+a_b": Invalid character(s) found in build meta data "a_b"',
    ],
    ["1.0.0 || || 2.0.0", "two '||' with nothing between them"],
    ["! 1.0.0", '"!" in the range means nothing to Talos'],
  ])("%s is refused as Talos refuses it", (range, why) => {
    expect(readVersionRange(range)).toEqual({ ok: false, why });
  });

  const part = fc.integer({ min: 0, max: 40 });
  const version = fc.tuple(part, part, part);
  const signs = ["", "=", "==", ">", ">=", "<", "<=", "!", "!="] as const;
  const order = (a: CoreVersion, b: CoreVersion) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];

  it("agrees with the order of versions, sign by sign", () => {
    fc.assert(
      fc.property(fc.constantFrom(...signs), version, version, fc.boolean(), (sign, of, held, hasV) => {
        const by = order(held, of);
        const expected = /^=*$/.test(sign)
          ? by === 0
          : sign.startsWith("!")
            ? by !== 0
            : (sign.startsWith(">") && by > 0) || (sign.startsWith("<") && by < 0) || (sign.endsWith("=") && by === 0);
        expect(holds(`${sign}${hasV ? "v" : ""}${of.join(".")}`, held)).toBe(expected);
      }),
    );
  });

  it("two with a space hold where both do, two with bars where either does", () => {
    const one = fc.tuple(fc.constantFrom(...signs), version).map(([sign, of]) => `${sign}${of.join(".")}`);
    fc.assert(
      fc.property(one, one, version, (left, right, held) => {
        const [a, b] = [holds(left, held) === true, holds(right, held) === true];
        expect(holds(`${left} ${right}`, held)).toBe(a && b);
        expect(holds(`${left} || ${right}`, held)).toBe(a || b);
      }),
    );
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..." v.x0123<>=!|^~-+a".split("")), maxLength: 20 }), (text) => {
        const reading = readVersionRange(text);
        if (reading.ok) expect(typeof reading.holds([1, 12, 0])).toBe("boolean");
        else expect(reading.why).not.toBe("");
      }),
    );
  });
});

it.each([
  ["0.1.0", [0, 1, 0]],
  ["v1.2.3-beta.1", [1, 2, 3]],
  ["1.2.3+build", undefined],
  ["1.2", undefined],
])("the version %s", (text, expected) => {
  expect(readVersion(text)).toEqual(expected);
});
