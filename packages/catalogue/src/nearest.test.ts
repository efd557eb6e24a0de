import { expect, it } from "vitest";
import { nearest } from "./nearest.ts";

it.each([
  ["siderlink", ["api", "siderolink", "vault"], "siderolink"],
  ["GHCR.oi", ["gcr.io", "ghcr.io"], "ghcr.io"],
  ["x", ["ab", "cd"], "ab"],
  ["", ["abc", "d"], "d"],
  ["x", [], undefined],
])("the nearest to %j of %j is %s", (word, words, expected) => expect(nearest(word, words)).toBe(expected));

it("the nearest may be too far", () => {
  expect(nearest("abcd", ["abxx"], 0.5)).toBe("abxx");
  expect(nearest("abcd", ["axxx"], 0.5)).toBeUndefined();
});
