import { expect, it } from "vitest";
import { ConfigError } from "./config-error.ts";
import { integerOf, mapping, validated } from "./schema.ts";

const SCHEMA = mapping({ count: integerOf(1, 9) });

function refusal(input: unknown): string {
  try {
    validated(SCHEMA, input, "plan.yaml");
    return "taken";
  } catch (error) {
    if (error instanceof ConfigError) return `${error.code} ${error.message}`;
    throw error;
  }
}

it.each([
  ["hush", "a text"],
  [123_456_789_012, "a number"],
  [true, "a boolean"],
  [null, "null"],
])("a document that is only %j is refused by its kind (S1)", (input, kind) => {
  expect(refusal(input)).toBe(`bad-value plan.yaml: got ${kind}, want a mapping`);
});

it("a value within a document is refused with its value", () => {
  expect(refusal({ count: 10 })).toBe("bad-value plan.yaml: count: got 10, want an integer from 1 to 9");
});
