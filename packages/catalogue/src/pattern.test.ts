import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesPattern, PATTERN_MAX_CHARS } from "./pattern.ts";

describe("a pattern on requirement ids", () => {
  it.each([
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*", "anything", true],
    ["machine-api", "machine-api", true],
    ["machine-api", "saas-machine-api", false],
    ["*machine-api", "saas-machine-api", true],
    ["node-*", "node-dns-udp", true],
    ["*a*b*", "xxaxxbxx", true],
    ["*a*b*", "xxbxxaxx", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["node-?", "node-ab", false],
    ["a?c", "a🙂c", true],
    ["a.c", "abc", false],
    ["node-dns-[tu]*", "node-dns-udp", true],
    ["node-dns-[!u]*", "node-dns-udp", false],
    ["node-dns-[!u]*", "node-dns-tcp", true],
    ["v[0-9]", "v7", true],
    ["v[0-9]", "v-", false],
    ["v[0-]", "v-", true],
    ["[]a]", "]", true],
    ["[!]a]", "]", false],
    ["node-[z-a]", "node-[z-a]", true],
    ["node-[z-a]", "node-z", false],
    ["[", "[", true],
    ["[!", "[!", true],
    ["[]", "[]", true],
    ["[*]", "*", true],
    ["[*]", "a", false],
    ["[^a]", "^", true],
  ])("%j on %j: %s", (pattern, text, expected) => {
    expect(matchesPattern(pattern, text)).toBe(expected);
  });

  it("agrees with the regular expression of the pattern", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "*", "?", "[ab]", "[!a]"), maxLength: 12 });
    fc.assert(
      fc.property(word, fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 }), (pattern, text) => {
        const source = pattern.replaceAll("*", ".*").replaceAll("?", ".").replaceAll("[!", "[^");
        expect(matchesPattern(pattern, text)).toBe(new RegExp(`^${source}$`).test(text));
      }),
    );
  });

  it("never throws for any text, and without wildcards matches only itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (pattern, text) => {
        const matched = matchesPattern(pattern, text);
        if (!/[*?[]/.test(pattern)) expect(matched).toBe(pattern === text);
      }),
    );
  });

  it("with many runs takes no longer than the product of both lengths (S2)", () => {
    // A backtracking matcher would never finish.
    expect(matchesPattern("*a".repeat(PATTERN_MAX_CHARS / 2), `${"a".repeat(127)}b`)).toBe(false);
  });
});
