import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { causesDocument } from "./cause-facts.ts";

it("docs/causes.md equals the generated document", () => {
  expect(readFileSync(new URL("../../../docs/causes.md", import.meta.url), "utf8")).toBe(causesDocument());
});
