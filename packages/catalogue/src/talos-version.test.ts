import { describe, expect, it } from "vitest";
import { isSince, readTalosVersion } from "./talos-version.ts";

describe("readTalosVersion", () => {
  it.each([
    ["v1.13.2", [1, 13, 2]],
    ["1.13.2", [1, 13, 2]],
    ["v1.14", [1, 14, 0]],
    ["v1.14.0-alpha.1", [1, 14, 0]],
    ["v1.13.0-12-gabcdef0-dirty", [1, 13, 0]],
  ])("reads %s", (text, version) => {
    expect(readTalosVersion(text)).toEqual(version);
  });

  it.each([undefined, "", "banana", "v1", "1.13x", "1.13.2.4", "12345.1"])("reads no version in %s", (text) => {
    expect(readTalosVersion(text)).toBeUndefined();
  });
});

describe("isSince", () => {
  it.each([
    [[1, 11, 3], true],
    [[1, 11, 10], true],
    [[1, 12, 0], true],
    [[2, 0, 0], true],
    [[1, 11, 2], false],
    [[1, 9, 9], false],
    [[0, 14, 9], false],
  ] as const)("compares %j with 1.11.3: %s", (version, expected) => {
    expect(isSince(version, [1, 11, 3])).toBe(expected);
  });
});
