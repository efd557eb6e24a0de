import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closest, matchesPattern } from "./requirement-pattern.ts";

describe("a pattern on requirement ids", () => {
  it.each([
    ["machine-api", "machine-api", true],
    ["machine-api", "saas-machine-api", false],
    ["*machine-api", "saas-machine-api", true],
    ["node-*", "node-dns-udp", true],
    ["node-?", "node-ab", false],
    ["node-dns-[tu]*", "node-dns-udp", true],
    ["node-dns-[!u]*", "node-dns-udp", false],
    ["node-[z-a]", "node-[z-a]", true],
    ["node.gcr", "node-gcr", false],
    ["[", "[", true],
    ["*", "", true],
  ])("%s on %s: %s", (pattern, id, expected) => {
    expect(matchesPattern(pattern, id)).toBe(expected);
  });

  it("of any text never throws, and one without wildcards matches itself alone", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (pattern, id) => {
        const matched = matchesPattern(pattern, id);
        if (!/[*?[]/.test(pattern)) expect(matched).toBe(pattern === id);
      }),
    );
  });

  it("names close ids, nearest first, and never more than five", () => {
    const ids = ["node-gcr", "node-ghcr", "node-gcr-blobs", "machine-api", "omni-vault", "node-time"];
    expect(closest("node-gcr", ids).slice(0, 2)).toEqual(["node-gcr", "node-gcr-blobs"]);
    expect(closest("machnie-api", ids)).toEqual(["machine-api"]);
    expect(closest("zzz", ids)).toHaveLength(3);
    expect(closest("", [...ids, "a", "b"])).toHaveLength(5);
  });
});
