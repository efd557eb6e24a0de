import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "./config-error.ts";
import { DOCUMENT_MAX_CHARS, documentOf } from "./document.ts";

function refusal(text: string): string {
  try {
    documentOf(text, "plan.yaml");
    return "admitted";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe("a document", () => {
  it("of any JSON is that value", () => {
    // __proto__ is a key like any other, and assertions take it for the prototype.
    const value = fc
      .jsonValue({ noUnicodeString: false })
      .filter((json) => !JSON.stringify(json).includes("__proto__"));
    fc.assert(
      fc.property(value, (json) => {
        expect(documentOf(JSON.stringify(json), "plan.yaml")).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });

  it.each([
    ["larger than any", " ".repeat(DOCUMENT_MAX_CHARS + 1), "plan.yaml: 4194305 characters, want at most 4194304"],
    ["a key twice, deep inside", "a:\n  - b: 1\n    b: 2", "plan.yaml:3: DUPLICATE_KEY: want each key once"],
    ["an alias", "a: &x 1\nb: [*x]", "plan.yaml:2: got an alias, want a document without aliases"],
    ["an alias of itself", "&x [*x]", "plan.yaml:1: got an alias, want a document without aliases"],
    ["a tag of its own", "a: !own 1", "plan.yaml:1: TAG_RESOLVE_FAILED: want a YAML or JSON document"],
    ["two documents", "a: 1\n---\nb: 1", "plan.yaml:2: MULTIPLE_DOCS: want a YAML or JSON document"],
    ["nesting without end", "[".repeat(20_000), "plan.yaml:1: RESOURCE_EXHAUSTION: want a YAML or JSON document"],
    [
      "values of values without end",
      `{"a":"b${'":"b'.repeat(9_000)}"}`,
      "plan.yaml:1: RESOURCE_EXHAUSTION: want a YAML or JSON document",
    ],
  ])("is refused where it is %s", (_, text, message) => {
    expect(refusal(text)).toBe(message);
  });

  it("of very many keys is read: it takes no time that grows with the square of their number", () => {
    // Comparing every two of them takes a minute and more, which is longer than a test may take.
    const text = Array.from({ length: 60_000 }, (_, at) => `key${at}: 1\n`).join("");
    expect(Object.keys(documentOf(text, "plan.yaml") as object)).toHaveLength(60_000);
  });
});
